/* Children: one for each check, killed with all that it started. */
#include "probe.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

/* A machine may be loaded: this is for what hangs. */
#define USUAL_SECONDS 10

struct outcome *outcome;

void *shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

static long micros(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

static void nap(long us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };
	nanosleep(&t, NULL);
}

/* collect waits for the child, and gives 0 when its time was over before it. */
static int collect(pid_t pid, int seconds, int *status)
{
	long until = micros() + seconds * 1000000L, pause = 50;
	for (;;) {
		pid_t got = waitpid(pid, status, WNOHANG);
		if (got == pid)
			return 1;
		if ((got < 0 && errno != EINTR) || micros() > until)
			return 0;
		nap(pause);
		if (pause < 2000)
			pause += pause / 2;
	}
}

static void body(const struct check *check)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	check->run(check);
	_exit(0);
}

/* ended judges a child that said nothing before its end. */
static void ended(struct outcome *result, int status)
{
	if (WIFSIGNALED(status))
		result->sig = WTERMSIG(status);
	if (result->decided)
		return;
	result->verdict = result->sig == SIGSYS ? BLOCKED : FAILED;
	if (result->sig == 0)
		strcpy(result->detail, "the check ended without a word");
}

void run_check(const struct check *check, struct outcome *result)
{
	int status = 0;
	long began = micros();
	memset(outcome, 0, sizeof(*outcome));
	pid_t pid = fork();
	if (pid == 0)
		body(check);
	if (pid < 0) {
		say_failed(errno, "no child could be started");
	} else if (!collect(pid, check->seconds ? check->seconds : USUAL_SECONDS, &status)) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		say_failed(ETIMEDOUT, "no end within its time");
	} else {
		ended(outcome, status);
	}
	if (pid > 0)
		kill(-pid, SIGKILL);
	/* Whoever lost its parent came to us: first process, or subreaper. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	*result = *outcome;
	result->us = micros() - began;
	clean_work();
}

int in_child(int (*fn)(void *), void *arg)
{
	int status = -1;
	pid_t pid = fork();
	if (pid == 0)
		_exit(fn(arg));
	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

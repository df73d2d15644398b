/*
 * The first process of a container that asks for one (--init): it starts the
 * program, forwards every signal to it, reaps whatever dies, and ends as the
 * program ended. It runs with the container's own confinement.
 */
#include "early.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int launcher_error(const char *program, int error)
{
	dprintf(STDERR_FILENO, "safe-run: cannot run \"%s\": %s\n", program, strerror(error));
	return error == ENOENT ? 127 : 126;
}

/* How many sockets of a service manager this process was started with, from
 * descriptor 3 on (sd_listen_fds(3)); what is not a number is none. */
static int sockets(void)
{
	const char *text = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	int n = text && pid && strcmp(pid, "1") == 0 ? atoi(text) : 0;
	return n > 0 && n <= 128 ? n : 0;
}

/* They are the program's, which looks whether its own number is named. */
static void own_sockets(void)
{
	char pid[16];
	if (sockets() == 0)
		return;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
}

/* The child: a session's foreground group of its own, so that a terminal's
 * Ctrl-C reaches the program and not this process too. */
static void run(char **argv, const sigset_t *before)
{
	setpgid(0, 0);
	if (isatty(STDIN_FILENO)) {
		signal(SIGTTOU, SIG_IGN);
		tcsetpgrp(STDIN_FILENO, getpgrp());
		signal(SIGTTOU, SIG_DFL);
	}
	sigprocmask(SIG_SETMASK, before, NULL);
	own_sockets();
	execvp(argv[0], argv);
	_exit(launcher_error(argv[0], errno));
}

/* Reaps what has ended. Gives the program's status once it is among them. */
static int reap(pid_t program, int *status)
{
	int found = 0, s;
	pid_t pid;
	while ((pid = waitpid(-1, &s, WNOHANG)) > 0) {
		if (pid == program) {
			*status = s;
			found = 1;
		}
	}
	return found;
}

int safe_run_reaper(int argc, char **argv)
{
	if (argc < 2) {
		dprintf(STDERR_FILENO, "safe-run: no program to run\n");
		return 125;
	}
	prctl(PR_SET_NAME, "safe-run-init");

	/* Signals that a program raises by its own fault stay unblocked. */
	sigset_t all, before;
	sigfillset(&all);
	static const int faults[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU};
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&all, faults[i]);
	sigprocmask(SIG_SETMASK, &all, &before);

	pid_t program = fork();
	if (program < 0)
		return launcher_error(argv[1], errno);
	if (program == 0)
		run(argv + 1, &before);
	setpgid(program, program);
	for (int fd = 3, end = 3 + sockets(); fd < end; fd++)
		close(fd);

	for (int status;;) {
		siginfo_t info;
		int sig = sigwaitinfo(&all, &info);
		if (sig < 0)
			continue;
		if (sig != SIGCHLD) {
			kill(program, sig);
			continue;
		}
		if (reap(program, &status))
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
}

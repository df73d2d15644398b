/*
 * Writes sysctls from inside a container's namespaces: whose sysctl a file of
 * /proc/sys is depends on who opens and writes it. A thread of the launcher
 * cannot join a user namespace, and a copy of the launcher would cost more than
 * all of it (see rootfs/userns.c), so that two children do it which share its
 * memory while it waits for them (CLONE_VFORK): one joins, and because joining a
 * pid namespace is for children only, the other one, inside it, writes.
 *
 * They keep the host's root as their user, who owns the files.
 */
#define _GNU_SOURCE
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { stack_size = 32 * 1024 };

static int failed(struct safe_run_inside *in, int which)
{
	in->failed = which;
	in->error = errno;
	_exit(1);
}

static int writer(void *arg)
{
	struct safe_run_inside *in = arg;
	for (int i = 0; i < in->count; i++) {
		int fd = openat(in->proc, in->paths[i], O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, in->values[i], strlen(in->values[i])) < 0)
			failed(in, i);
		close(fd);
	}
	_exit(0);
}

/* on_stack runs fn in a child and waits for its end. */
static int on_stack(int (*fn)(void *), struct safe_run_inside *in)
{
	char *stack = malloc(stack_size);
	int status = -1, pid = -1;
	if (stack) {
		uintptr_t top = ((uintptr_t)stack + stack_size) & ~(uintptr_t)15;
		pid = clone(fn, (void *)top, CLONE_VM | CLONE_VFORK, in);
	}
	int error = errno;
	while (pid > 0 && waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
		;
	free(stack);
	errno = error;
	return pid < 0 ? -1 : status;
}

static int joiner(void *arg)
{
	struct safe_run_inside *in = arg;
	/* The user namespace first: it gives the right to join the other. */
	if ((in->user >= 0 && setns(in->user, CLONE_NEWUSER)) ||
	    (in->pid >= 0 && setns(in->pid, CLONE_NEWPID)))
		failed(in, in->count);
	int status = on_stack(writer, in);
	if (status != 0 && in->failed < 0) {
		if (status != -1)
			errno = ECHILD;
		failed(in, in->count);
	}
	_exit(0);
}

int safe_run_inside(struct safe_run_inside *in)
{
	in->failed = -1;
	in->error = 0;
	/* A handler would be Go's, on a stack that is not. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int status = on_stack(joiner, in), error = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (status == -1)
		return -error;
	if (in->failed >= 0)
		return -in->error;
	return status == 0 ? 0 : -ECHILD;
}

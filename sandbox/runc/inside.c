/*
 * Writes sysctls from inside a container's namespaces: whose sysctl a file of
 * /proc/sys is depends on who opens and writes it. A thread of the launcher
 * cannot join a user namespace, and a copy of the launcher would cost more than
 * all of it (see rootfs/userns.c), so that two children do it which share its
 * memory while it waits for them (CLONE_VFORK): one joins, and because joining a
 * pid namespace is for children only, the other one, inside it, writes.
 *
 * They keep the host's root as their user, who owns the files. Sysctls of an ipc
 * namespace are the host's root's before Linux 6.9, and from then on they belong to
 * the root of the user namespace that made it (kernel commit 50ec499b9a43): both
 * are tried.
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { stack_size = 32 * 1024 };

static int failed(struct safe_run_inside *in, int which)
{
	in->failed = which;
	in->error = errno;
	_exit(1);
}

static int put(struct safe_run_inside *in, int i)
{
	int fd = openat(in->proc, in->paths[i], O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = write(fd, in->values[i], strlen(in->values[i]));
	int error = errno;
	close(fd);
	errno = error;
	return n < 0 ? -1 : 0;
}

static int writer(void *arg)
{
	struct safe_run_inside *in = arg;
	for (int i = in->first; i < in->count; i++)
		if (put(in, i))
			failed(in, i);
	_exit(0);
}

/* ipc_writer is in the user namespace already. */
static int ipc_writer(void *arg)
{
	struct safe_run_inside *in = arg;
	/* By number: glibc would ask all threads of the launcher to follow. */
	if (syscall(SYS_setresuid, -1, 0, -1))
		failed(in, in->count);
	for (int i = 0; i < in->first; i++)
		if (put(in, i))
			failed(in, i);
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
	int late = 0;
	if (in->first > 0) {
		if (in->ipc < 0 || setns(in->ipc, CLONE_NEWIPC))
			failed(in, in->count);
		for (int i = 0; i < in->first; i++)
			if (put(in, i)) {
				if ((errno != EACCES && errno != EPERM) || in->user < 0)
					failed(in, i);
				late = 1;
			}
	}
	/* The user namespace first: it gives the right to join the other. */
	if ((in->user >= 0 && setns(in->user, CLONE_NEWUSER)) ||
	    (in->pid >= 0 && setns(in->pid, CLONE_NEWPID)))
		failed(in, in->count);
	int status = late ? on_stack(ipc_writer, in) : 0;
	if (status == 0)
		status = on_stack(writer, in);
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

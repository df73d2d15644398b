/*
 * A child in a new user namespace that waits for one byte and ends. It shares the launcher's memory (CLONE_VM): a copy would write-protect
 * every page of the launcher, whose next writes would each fault and flush the
 * TLBs of other processors, which costs a launch more than anything else that
 * safe-run adds to it.
 *
 * Because memory is shared, the child has a stack of its own, takes no signals
 * (a handler would be Go's) and does nothing but system calls.
 */
#define _GNU_SOURCE
#include "userns.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { stack_size = 16 * 1024 };

static int child(void *arg)
{
	const struct safe_run_userns *u = arg;
	syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* The launcher may have died before the line above. This process would
	 * then wait for ever, with a copy of the warden's pipe in its hands. */
	if (syscall(SYS_getppid) != u->parent)
		syscall(SYS_exit_group, 0);
	/* It waits for a byte and not for the end: the table of descriptors is
	 * a copy, and so is that of another child, which may hold the writing
	 * end open. */
	char byte;
	syscall(SYS_read, u->read_end, &byte, 1);
	syscall(SYS_exit_group, 0);
	return 0;
}

int safe_run_userns(struct safe_run_userns *u, int read_end)
{
	u->read_end = read_end;
	u->parent = getpid();
	u->stack = malloc(stack_size);
	if (u->stack == NULL)
		return -ENOMEM;
	uintptr_t top = ((uintptr_t)u->stack + stack_size) & ~(uintptr_t)15;

	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int pid = clone(child, (void *)top, CLONE_VM | CLONE_NEWUSER, u);
	int error = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid < 0 ? -error : pid;
}

/*
 * A child in the control group given by a descriptor, that does nothing until
 * it is killed. It is a plain fork of one thread that calls nothing but the
 * kernel. Of the launcher it has neither descriptors, one of which would keep
 * the warden waiting, nor signal handlers, which need Go (clone(2), Linux 5.7).
 */
#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int safe_run_keeper(int cgroup)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP | CLONE_CLEAR_SIGHAND,
		.cgroup = (uint64_t)cgroup,
	};
	long launcher = syscall(SYS_getpid);
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		return -errno;
	if (pid > 0)
		return (int)pid;
	syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	syscall(SYS_prctl, PR_SET_NAME, "safe-run-keeper", 0, 0, 0);
	if (syscall(SYS_getppid) != launcher)
		syscall(SYS_exit_group, 0); /* it died before it could be followed */
	syscall(SYS_close_range, 0, ~0U, 0);
	for (;;)
		syscall(SYS_ppoll, 0, 0, 0, 0, 0);
}

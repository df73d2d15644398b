/*
 * The Go runtime of a container's init, made to cost little: init does one thing
 * after the other, on one thread, for some ten milliseconds. What the runtime
 * reads of its environment and of glibc is set before it starts, because a call of
 * Go's comes too late: runtime.GOMAXPROCS stops the world, and waits until the
 * other threads, which have just been started, have had a processor.
 */
#define _GNU_SOURCE
#include "light.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

/* How late the first thread may wake up, in nanoseconds; 0: as early as ever. */
static unsigned long slack;

/*
 * The first thread that Go starts is sysmon, which sleeps for 20 microseconds at
 * a time as long as anything goes on: half of all system calls that init makes.
 * Its sleep may take longer here. All it is needed for is to let another goroutine
 * run where one waits in a system call, and init has next to no other.
 *
 * A thread inherits its slack from the one that starts it, and keeps it across
 * execve(2), where it would be the container's: so that the threads that sysmon
 * starts have the slack that there was at first.
 */
extern int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	static unsigned long usual; /* what there was before the first; 0: nothing was changed */
	if (slack == 0)
		return __real_pthread_create(thread, attr, run, arg);
	int first = usual == 0, own = prctl(PR_GET_TIMERSLACK);
	if (first)
		usual = own > 0 ? (unsigned long)own : 0;
	if (own <= 0)
		return __real_pthread_create(thread, attr, run, arg);
	prctl(PR_SET_TIMERSLACK, first ? slack : usual);
	int error = __real_pthread_create(thread, attr, run, arg);
	prctl(PR_SET_TIMERSLACK, (unsigned long)own);
	return error;
}

__attribute__((constructor)) static void light(int argc, char **argv, char **envp)
{
	static char one[] = "GOMAXPROCS=1";
	/*
	 * In every process of the program: each thread that allocates would map 64 MiB
	 * for an arena of its own, and make it writable page by page (mprotect(2)), for
	 * which the other processors are interrupted. Only libseccomp allocates.
	 */
	mallopt(M_ARENA_MAX, 1);
	if (argc != 2 || argv == NULL || envp == NULL || strcmp(argv[1], "init") != 0 || getenv("_LIBCONTAINER_INITPIPE") == NULL)
		return;
	slack = 1000 * 1000;
	/* libcontainer hands on what its own environment has, or nothing. */
	for (; *envp != NULL; envp++)
		if (strcmp(*envp, "GOMAXPROCS=") == 0)
			*envp = one;
}

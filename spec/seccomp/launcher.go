package seccomp

import "slices"

// launcher are the system calls that libcontainer's init makes between loading
// the filter and executing the program: close its pipes, open the exec fifo
// through /proc, write to it, list and close descriptors, execute. They are
// merged at render time and are no part of any profile, because they belong to
// this build and not to the program.
//
// Found by leaving out one after the other. The Go runtime of that init runs
// all the while, and makes the calls of the last set now and then.
var launcher = []Set{
	{"close what is not passed on", []string{"close", "fcntl", "getdents64"}},
	{"open the exec fifo without following a forged /proc", []string{
		"fstat", "fstatfs", "newfstatat", "openat", "readlinkat", "statx", "write",
	}},
	{"hear that the filter's descriptor was taken, where it reports", []string{"recvfrom"}},
	{"execute", []string{"execve"}},
	{"the Go runtime: memory, locks, threads, signals, clocks", []string{
		"clock_gettime", "clone", "epoll_ctl", "epoll_pwait", "exit", "exit_group", "futex", "getpid", "gettid",
		"madvise", "mmap", "mprotect", "munmap", "nanosleep", "read", "restart_syscall", "rt_sigaction",
		"rt_sigprocmask", "rt_sigreturn", "sched_yield", "sigaltstack", "tgkill",
	}},
}

// firstProcess are the system calls of the first process that forwards signals
// and reaps (--init), until it ends.
var firstProcess = []Set{
	{"start the program in the terminal's foreground", []string{
		"clone", "execve", "fork", "getpgrp", "ioctl", "prctl", "rt_sigaction", "rt_sigprocmask", "setpgid",
	}},
	{"forward signals, reap, end", []string{
		"exit_group", "kill", "rt_sigreturn", "rt_sigtimedwait", "wait4", "write",
	}},
}

// Launcher lists what the launcher itself needs to carry out p, sorted and
// unique.
func Launcher(p Policy) []string {
	sets := slices.Clone(launcher)
	if p.Init {
		sets = append(sets, firstProcess...)
	}
	return Group{Sets: sets}.members()
}

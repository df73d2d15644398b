package seccomp

// groups are all groups. A call may be in several: a program that only makes
// threads needs clone as much as one that only makes processes.
//
// What is in no group can still be named in a profile by itself.
var groups = []Group{
	{
		Name: "@base",
		Why:  "start a program, load its libraries, read, write and end",
		Sets: []Set{
			{"the dynamic loader and the C library's start-up", []string{
				"arch_prctl", "brk", "execve", "mmap", "mprotect", "munmap", "prlimit64",
				"rseq", "set_robust_list", "set_tid_address", "prctl",
			}},
			{"the end of a thread and of a process", []string{"exit", "exit_group"}},
			{"what the kernel itself inserts after a signal", []string{"restart_syscall", "rt_sigreturn"}},
			{"read and write descriptors", []string{"close", "read", "readv", "write", "writev"}},
			{"who am I, where am I", []string{
				"getegid", "geteuid", "getgid", "getgroups", "getpid", "gettid", "getuid", "sysinfo", "uname",
			}},
			{"random numbers, for hash seeds and keys", []string{"getrandom"}},
		},
	},
	{
		Name: "@files",
		Why:  "open, look at, make, rename and remove files and directories",
		Sets: []Set{
			{"open; the setuid and setgid bits are refused", []string{"creat", "open", "openat"}},
			{"duplicate, lock and control descriptors; ioctl without TIOCSTI and its like", []string{
				"dup", "dup2", "dup3", "fcntl", "flock", "ioctl", "pipe", "pipe2",
			}},
			{"look", []string{
				"access", "faccessat", "fstat", "fstatfs", "getcwd", "getdents64",
				"lstat", "newfstatat", "readlink", "readlinkat", "stat", "statfs", "statx",
			}},
			{"read, write and copy at a place", []string{
				"fallocate", "ftruncate", "lseek", "pread64", "preadv",
				"pwrite64", "pwritev", "sendfile", "truncate",
			}},
			{"the working directory and the mask of new files", []string{"chdir", "fchdir", "umask"}},
			{"change the tree", []string{
				"link", "linkat", "mkdir", "mkdirat", "rename", "renameat",
				"rmdir", "symlink", "symlinkat", "unlink", "unlinkat",
			}},
			{"force to the disk; SQLite and editors fail without", []string{"fdatasync", "fsync"}},
			{"modes and times; the setuid and setgid bits are refused", []string{
				"chmod", "fchmod", "fchmodat", "utimensat",
			}},
		},
	},
	{
		Name: "@process",
		Why:  "start other processes, wait for them and signal them",
		Sets: []Set{
			{"start; clone without any new namespace", []string{"clone", "fork", "vfork"}},
			{"wait", []string{"wait4", "waitid", "getrusage"}},
			{"signal", []string{"kill"}},
			{"process groups and sessions, for shells and daemons", []string{
				"getpgrp", "getppid", "setpgid", "setsid",
			}},
		},
	},
	{
		Name: "@threads",
		Why:  "make threads and let them meet",
		Sets: []Set{
			{"start; clone without any new namespace", []string{"clone"}},
			{"locks", []string{"futex", "sched_yield"}},
			{"signal one thread", []string{"tgkill"}},
		},
	},
	{
		Name: "@time",
		Why:  "read clocks, sleep and set timers",
		Sets: []Set{
			{"read", []string{"clock_getres", "clock_gettime", "gettimeofday", "times"}},
			{"sleep", []string{"clock_nanosleep", "nanosleep"}},
			{"timers that send signals", []string{
				"alarm", "setitimer",
				"timer_create", "timer_delete", "timer_settime",
			}},
		},
	},
	{
		Name: "@signals",
		Why:  "handle, block, wait for and send signals",
		Sets: []Set{
			{"handle", []string{"rt_sigaction", "rt_sigprocmask", "sigaltstack"}},
			{"wait", []string{"pause", "rt_sigsuspend", "rt_sigtimedwait"}},
			{"send", []string{"kill", "tgkill", "tkill"}},
		},
	},
	{
		Name: "@memory",
		Why:  "grow memory and give it back",
		Sets: []Set{
			{"allocators and garbage collectors", []string{"madvise", "mremap"}},
		},
	},
	{
		Name: "@sched",
		Why:  "ask for processors and priorities",
		Sets: []Set{
			{"how many processors there are, to size thread pools", []string{"sched_getaffinity"}},
			{"the range of priorities, which Java asks for at its start", []string{
				"sched_get_priority_max", "sched_get_priority_min",
			}},
		},
	},
	{
		Name: "@io-event",
		Why:  "wait for many descriptors at once",
		Sets: []Set{
			{"wait", []string{
				"epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait",
				"poll", "ppoll", "pselect6", "select",
			}},
			{"descriptors made of counters, timers and signals", []string{
				"eventfd2", "signalfd4",
				"timerfd_create", "timerfd_settime",
			}},
		},
	},
	{
		Name: "@watch",
		Why:  "be told of changes to files (inotify), for servers that reload",
		Sets: []Set{
			{"inotify", []string{"inotify_add_watch", "inotify_init1", "inotify_rm_watch"}},
		},
	},
	{
		Name: "@sockets",
		Why:  "make sockets of the allowed address families and talk over them",
		Sets: []Set{
			{"make; family, type and protocol are filtered", []string{"socket", "socketpair"}},
			{"talk", []string{"recvfrom", "recvmsg", "sendmsg", "sendto", "shutdown"}},
			{"names and options", []string{"getpeername", "getsockname", "getsockopt", "setsockopt"}},
		},
	},
	{
		Name: "@net-client",
		Why:  "connect to others",
		Sets: []Set{
			{"connect", []string{"connect"}},
			{"many messages at once: the C library's resolver, QUIC", []string{"recvmmsg", "sendmmsg"}},
		},
	},
	{
		Name: "@net-server",
		Why:  "wait for connections",
		Sets: []Set{{"serve", []string{"accept", "accept4", "bind", "listen"}}},
	},
	{
		Name: "@fsync",
		Why:  "force files to the disk",
		Sets: []Set{
			{"one file", []string{"fdatasync", "fsync"}},
			{"mapped pages", []string{"msync"}},
		},
	},
	{
		Name: "@ipc",
		Why:  "System V shared memory, semaphores and messages (PostgreSQL's lock segment)",
		Sets: []Set{
			{"shared memory", []string{"shmat", "shmctl", "shmdt", "shmget"}},
			{"semaphores", []string{"semctl", "semget", "semop", "semtimedop"}},
			{"messages", []string{"msgctl", "msgget", "msgrcv", "msgsnd"}},
		},
	},
	{
		Name: "@mqueue",
		Why:  "POSIX message queues; mounts /dev/mqueue",
		Sets: []Set{{"queues", []string{
			"mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink",
		}}},
	},
	{
		Name: "@memory-lock",
		Why:  "keep memory out of swap, for keys and buffer pools; bounded by RLIMIT_MEMLOCK",
		Sets: []Set{{"lock", []string{"mlock", "mlock2", "mlockall", "munlock", "munlockall"}}},
	},
	{
		Name: "@aio",
		Why:  "the kernel's older asynchronous file input and output (libaio), for databases",
		Sets: []Set{{"libaio", []string{
			"io_cancel", "io_destroy", "io_getevents", "io_pgetevents", "io_setup", "io_submit",
		}}},
	},
	{
		Name: "@memfd",
		Why:  "files without a name, for shared buffers and double-mapped compiled code; before Linux 6.3 they can be executed",
		Sets: []Set{{"make", []string{"memfd_create"}}},
	},
	{
		Name: "@splice",
		Why:  "move data between descriptors without copying, for proxies",
		Sets: []Set{{"move", []string{"splice", "tee", "vmsplice"}}},
	},
	{
		Name: "@identity",
		Why:  "change user and group, for programs that start as root and drop it",
		Sets: []Set{
			{"users and groups", []string{
				"setfsgid", "setfsuid", "setgid", "setgroups", "setregid", "setresgid", "setresuid",
				"setreuid", "setuid",
			}},
			{"give up capabilities", []string{"capset"}},
		},
	},
	{
		Name: "@ownership",
		Why:  "change the owner or group of files",
		Sets: []Set{{"chown", []string{"chown", "fchown", "fchownat", "lchown"}}},
	},
	{
		Name: "@xattr",
		Why:  "read extended attributes and access control lists, as ls and cp do",
		Sets: []Set{{"read", []string{
			"fgetxattr", "flistxattr", "getxattr", "lgetxattr", "listxattr", "llistxattr",
		}}},
	},
	{
		Name: "@xattr-write",
		Why:  "change extended attributes and access control lists",
		Sets: []Set{{"write", []string{
			"fremovexattr", "fsetxattr", "lremovexattr", "lsetxattr", "removexattr", "setxattr",
		}}},
	},
	{
		Name: "@numa",
		Why:  "place memory on the nodes of a large machine",
		Sets: []Set{{"policy", []string{"get_mempolicy", "mbind", "set_mempolicy"}}},
	},
	{
		Name: "@self-sandbox",
		Why:  "let a program restrict itself further",
		Sets: []Set{
			{"Landlock", []string{
				"landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self",
			}},
			{"its own system call filter", []string{"seccomp"}},
		},
	},
	{
		Name: "@disk",
		Why:  "steer when and how data reaches the disk, for databases",
		Sets: []Set{
			{"start or wait for writing", []string{"sync_file_range", "syncfs"}},
			{"read ahead; reads and writes with flags", []string{"fadvise64", "preadv2", "pwritev2", "readahead"}},
		},
	},
	{
		Name: "@modern",
		Why:  "newer calls whose users fall back by themselves when they are missing",
		Sets: []Set{
			{"files", []string{"cachestat", "copy_file_range", "faccessat2", "fchmodat2", "renameat2"}},
			{"close many descriptors at once; who cannot closes one after the other", []string{"close_range"}},
			{"processes by descriptor", []string{"pidfd_open", "pidfd_send_signal"}},
			{"waiting", []string{"epoll_pwait2", "futex_requeue", "futex_wait", "futex_waitv", "futex_wake"}},
			{"memory: protection keys, sealing, barriers, shadow stacks", []string{
				"map_shadow_stack", "membarrier", "mseal", "pkey_alloc", "pkey_free", "pkey_mprotect",
			}},
		},
	},
	{
		Name: "@legacy",
		Why:  "older names of calls that have newer ones, for old static programs",
		Sets: []Set{
			{"files", []string{"futimesat", "getdents", "utime", "utimes"}},
			{"waiting", []string{"eventfd", "inotify_init", "signalfd"}},
			{"limits and clocks", []string{"getrlimit", "setrlimit", "time"}},
		},
	},
	{
		Name: "@uncommon",
		Why:  "harmless calls that few programs make; for interactive work",
		Sets: []Set{
			{"processes", []string{
				"capget", "execveat", "getpgid", "getresgid", "getresuid", "getsid",
			}},
			{"scheduling; the kernel still refuses more than one has", []string{
				"getcpu", "getpriority", "ioprio_get", "ioprio_set", "sched_getattr", "sched_getparam",
				"sched_getscheduler", "sched_rr_get_interval", "setpriority",
			}},
			{"pin threads; servers that do go on with a warning", []string{"sched_setaffinity"}},
			{"timers and signals", []string{
				"getitimer", "rt_sigpending", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
				"timer_getoverrun", "timer_gettime", "timerfd_gettime",
			}},
			{"memory and locks", []string{"get_robust_list", "mincore"}},
		},
	},
}

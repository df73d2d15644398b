package battery

// calls are system calls with a history, and programs that are not the image's.
var calls = []Probe{
	{
		ID: "X01", Title: "programs inside the kernel", Technique: "bpf(2), BPF_MAP_CREATE",
		Harmless: "one small array, closed at once",
		Layers:   []Stop{filterPerm, by(HostSysctls, "EPERM"), byGuard}, Controls: []int{1},
	},
	{
		ID: "X02", Title: "performance counters", Technique: "perf_event_open(2)",
		Harmless: "a software counter of itself, not started",
		Layers:   []Stop{filterPerm, by(HostSysctls, "EACCES", "EPERM"), byGuard}, Controls: []int{1},
	},
	{
		ID: "X03", Title: "handle the kernel's page faults", Technique: "userfaultfd(2)",
		Harmless: "the descriptor is closed at once",
		Layers:   []Stop{filterPerm, by(HostSysctls, "EPERM"), byGuard}, Controls: []int{1},
	},
	{
		ID: "X04", Title: "handle its own page faults", Technique: "userfaultfd(2) with UFFD_USER_MODE_ONLY",
		Harmless: "the descriptor is closed at once",
		Layers:   []Stop{filterPerm, byGuard}, Controls: []int{1},
	},
	{
		ID: "X05", Title: "input and output that no filter sees", Technique: "io_uring_setup(2)",
		Harmless: "a ring of one entry, closed at once",
		Layers:   []Stop{filterPerm, by(HostSysctls, "EPERM"), byGuard}, Reference: "60% of Google's kernel VRP submissions of 2022", Controls: []int{1},
	},
	{
		ID: "X06", Title: "the session's keys", Technique: "keyctl(2), KEYCTL_GET_KEYRING_ID",
		Harmless: "a number is asked for",
		Layers:   []Stop{filterPerm, byGuard}, Reference: "CVE-2016-0728", Controls: []int{1},
	},
	{
		ID: "X07", Title: "make and request keys", Technique: "add_key(2), request_key(2)",
		Harmless: "in the keyring of a child that ends, and of a name that no key has",
		Layers:   []Stop{filterPerm, byGuard}, Controls: []int{1},
	},
	{
		ID: "X08", Title: "trace processes", Technique: "ptrace(2), PTRACE_TRACEME",
		Harmless: "a child of its own, which ends at once",
		Layers:   []Stop{filterPerm, byGuard}, Reference: "CDK check-ptrace", Controls: []int{1},
	},
	{
		ID: "X09", Title: "read other processes' memory", Technique: "process_vm_readv(2)",
		Harmless: "16 bytes of a child, which ends at once",
		Layers:   []Stop{filterPerm, byGuard}, Controls: []int{1},
	},
	{
		ID: "X10", Title: "compare processes and move their pages", Technique: "kcmp(2), move_pages(2)",
		Harmless: "with a child, of which no page is moved",
		Layers:   []Stop{filterPerm, byGuard}, Controls: []int{1},
	},
	{
		ID: "X11", Title: "take other processes' descriptors", Technique: "pidfd_getfd(2)",
		Harmless: "the standard input of a child, which ends at once",
		Layers:   []Stop{filterPerm, byGuard}, Controls: []int{1},
	},
	{
		ID: "X12", Title: "run a program that is in no file", Technique: "memfd_create(2), execveat(2)",
		Harmless: "a program of a few bytes that ends at once",
		Layers:   []Stop{filterNoSys, by(Sysctls, "EACCES")}, Controls: []int{24},
	},
	{
		ID: "X13", Title: "run a program that was written", Technique: "execve(2) of a file in each writable directory",
		Harmless: "a program of a few bytes that ends at once; the file is removed",
		Layers:   []Stop{by(Mounts, "EACCES"), by(ReadOnly, "EROFS"), by(Landlock, "EACCES")}, Controls: []int{15},
	},
	{
		ID: "X14", Title: "write code and run it", Technique: "mmap(2) of a page that may be written and run",
		Harmless: "one page of its own, with a function that returns a number",
		Layers:   []Stop{by(LSM, "EACCES"), by(Seccomp, "EPERM")}, Controls: []int{21},
	},
	{
		ID: "X15", Title: "memory that the kernel cannot see, and segments", Technique: "memfd_secret(2), modify_ldt(2)",
		Harmless: "an empty descriptor is closed; the table is read",
		Layers:   []Stop{filterPerm}, Controls: []int{1},
	},
	{
		ID: "X16", Title: "switch address randomisation off", Technique: "personality(2), ADDR_NO_RANDOMIZE",
		Harmless: "for a child that ends at once",
		Layers:   []Stop{filterNoSys}, Controls: []int{1},
	},
	{
		ID: "X17", Title: "splice into the page cache", Technique: "splice(2)",
		Harmless:  "of descriptor -1",
		Layers:    []Stop{filterNoSys},
		Reference: "CVE-2022-0847, CVE-2026-31431", Controls: []int{1},
	},
	{
		ID: "X18", Title: "real-time priority", Technique: "sched_setscheduler(2), ioprio_set(2)",
		Harmless: "for a child, and taken back at once",
		Layers:   []Stop{filterPerm, noCap}, Controls: []int{1, 2},
	},
	{
		ID: "X19", Title: "calls that are newer than the filter", Technique: "statmount(2)",
		Harmless: "of nothing",
		Layers:   []Stop{filterNoSys}, Controls: []int{1},
	},
}

// entries are the ways into the kernel beside the usual one, and arguments that
// a filter and the kernel may read differently.
var entries = []Probe{
	{
		ID: "A01", Title: "32-bit system calls", Technique: "int 0x80, getpid",
		Harmless: "it asks for its number",
		Layers:   []Stop{filterKill}, Controls: []int{1},
	},
	{
		ID: "A02", Title: "sockets by the 32-bit way", Technique: "int 0x80, socketcall of AF_VSOCK",
		Harmless:  "the socket is closed at once",
		Layers:    []Stop{filterKill, by(LSM, "EACCES"), byGuard},
		Reference: "moby/moby#52547", Controls: []int{1, 21},
	},
	{
		ID: "A03", Title: "x32 system calls", Technique: "getpid with the x32 bit",
		Harmless: "it asks for its number",
		Layers:   []Stop{filterKill, by(Absent, "ENOSYS")}, Controls: []int{1},
	},
	{
		ID: "A04", Title: "int arguments with high bits", Technique: "socket, socketpair, personality, prctl, fchmod, ioctl with bits that the kernel drops",
		Harmless:  "each as in its plain form: own sockets, own file, own terminal",
		Layers:    []Stop{by(Seccomp, "EPERM", "EAFNOSUPPORT", "ENOSYS")},
		Reference: "Launchpad 1812973", Controls: []int{1},
	},
	{
		ID: "A05", Title: "calls that do not exist say so", Technique: "numbers 470 and 1000",
		Harmless: "no kernel has them",
		Layers:   []Stop{by(Seccomp, "ENOSYS"), by(Absent, "ENOSYS")}, Reference: "opencontainers/runc#2151", Controls: []int{1},
	},
	{
		ID: "A06", Title: "type into a terminal", Technique: "ioctl(2), TIOCSTI, plain and with high bits",
		Harmless: "into a terminal of its own",
		Layers:   []Stop{filterPerm, by(HostSysctls, "EIO"), byGuard}, Reference: "CVE-2017-5226", Controls: []int{1},
	},
	{
		ID: "A07", Title: "paste on the console", Technique: "ioctl(2), TIOCLINUX, plain and with high bits",
		Harmless: "of the console that is there, with an address that cannot be; of descriptor -1 where there is none",
		Layers:   []Stop{filterPerm, by(DeviceNodes, "ENOENT")}, Reference: "CVE-2023-1523", Controls: []int{1},
	},
}

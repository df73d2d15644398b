package battery

var privileges = []Probe{
	{
		ID: "P01", Title: "capabilities that could come back", Technique: "the bounding set in /proc/self/status, execve(2) of a set-user-ID file",
		Harmless: "it is read; where it is not empty, a copy of the probe program is executed, which looks at itself",
		Layers:   []Stop{by(BoundingSet), by(NoNewPrivs, "EPERM"), by(Mounts, "EPERM")}, Controls: []int{2},
	},
	{
		ID: "P02", Title: "privileges by execve", Technique: "no_new_privs in /proc/self/status, execve(2) of a set-user-ID file",
		Harmless: "it is read; where it is not set, a copy of the probe program is executed, which looks at itself",
		Layers:   []Stop{by(NoNewPrivs), by(Mounts, "EPERM")}, Controls: []int{3},
	},
	{
		ID: "P03", Title: "become root", Technique: "setuid(2) to 0",
		Harmless: "a child that ends at once",
		Layers:   []Stop{filterPerm, noCap}, Controls: []int{2, 4}, Critical: true,
	},
	{
		ID: "P04", Title: "a file with capabilities", Technique: "setxattr(2) of security.capability",
		Harmless: "a file of its own, which is removed",
		Layers:   []Stop{filterNoSys, noCap}, Controls: []int{2, 3},
	},
	{
		ID: "P05", Title: "a setuid file", Technique: "chmod(2), u+s",
		Harmless: "a file of its own, which is removed",
		Layers:   []Stop{filterPerm, by(Mounts), by(NoNewPrivs)}, Controls: []int{3, 15, 26},
	},
	{
		ID: "P06", Title: "be root on the host", Technique: "/proc/self/uid_map, setuid(2) where root is the host's",
		Harmless: "a child that ends at once",
		Layers:   []Stop{by(UserNS), by(NonRoot, "EPERM")}, Controls: []int{4, 5},
	},
}

// resources go a little beyond a limit, and never beyond a bound of their own.
var resources = []Probe{
	{
		ID: "R01", Title: "a fork bomb", Technique: "fork(2)",
		Harmless: "600 children at most, which sleep and are killed",
		Layers:   []Stop{by(Cgroup, "EAGAIN"), by(Rlimits, "EAGAIN", "EUSERS")}, Reference: "fork bomb", Controls: []int{13}, Limits: true,
	},
	{
		ID: "R02", Title: "more memory than is given", Technique: "mmap(2), touching 16 MiB more than the limit",
		Harmless: "a child that the kernel kills first; not begun without a limit, above 2 GiB, or when the host has less free",
		Layers:   []Stop{by(Cgroup, "SIGKILL")}, Controls: []int{11}, Limits: true,
	},
	{
		ID: "R03", Title: "fill a filesystem", Technique: "write(2) and open(2) in a tmpfs, bytes and inodes",
		Harmless: "1 MiB more than its size, at most 256 MiB and 20,000 files, or, where its size is gone, 16 MiB more than the memory limit; removed",
		Layers:   []Stop{by(Mounts, "ENOSPC"), by(Cgroup, "SIGKILL", "ENOMEM")}, Controls: []int{15}, Limits: true,
	},
	{
		ID: "R04", Title: "more open files than are given", Technique: "dup(2)",
		Harmless: "65,536 at most, of a child that ends",
		Layers:   []Stop{by(Rlimits, "EMFILE")}, Controls: []int{14}, Limits: true,
	},
	{
		ID: "R05", Title: "more of the processor than is given", Technique: "a loop in one process more than the quota has processors",
		Harmless: "for 300 ms, at most 8 of them",
		Layers:   []Stop{by(Cgroup)}, Controls: []int{12}, Limits: true,
	},
	{
		ID: "R06", Title: "flood the log", Technique: "write(2) of 1 MiB to standard error",
		Harmless: "once, and only when asked for",
		Layers:   []Stop{by(Launcher)}, Controls: []int{14}, Limits: true,
	},
	{
		ID: "R07", Title: "shared memory of System V", Technique: "shmget(2)",
		Harmless: "4 KiB, removed at once",
		Layers:   []Stop{filterNoSys, by(Sysctls, "ENOSPC"), byGuard}, Controls: []int{1, 8}, Limits: true,
	},
	{
		ID: "R08", Title: "write into the image", Technique: "open(2) of a new file in /",
		Harmless: "removed at once",
		Layers:   []Stop{by(ReadOnly, "EROFS"), by(Landlock, "EACCES"), by(NonRoot, "EACCES")}, Controls: []int{6}, Limits: true,
	},
}

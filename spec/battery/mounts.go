package battery

var mounts = []Probe{
	{
		ID: "M01", Title: "mount a filesystem", Technique: "mount(2) of a tmpfs",
		Harmless: "on a directory of its own, unmounted at once",
		Layers:   []Stop{filterPerm, by(Landlock, "EPERM"), noCap}, Reference: "CDK mount-*", Controls: []int{1, 2}, Critical: true,
	},
	{
		ID: "M02", Title: "mount a fresh /proc without masks", Technique: "mount(2) of proc",
		Harmless: "on a directory of its own, unmounted at once",
		Layers:   []Stop{filterPerm, by(Landlock, "EPERM"), noCap}, Reference: "CDK mount-procfs", Controls: []int{1, 2, 16}, Critical: true,
	},
	{
		ID: "M03", Title: "mount cgroup v1 for its release_agent", Technique: "mount(2) of cgroup, open(2) of release_agent",
		Harmless: "a hierarchy of its own without controllers; release_agent is opened and not written; unmounted at once",
		Layers:   []Stop{filterPerm, noCap, by(Landlock, "EPERM"), by(LSM, "EACCES")}, Reference: "CVE-2022-0492", Controls: []int{1, 2}, Critical: true,
	},
	{
		ID: "M04", Title: "remount the root", Technique: "mount(2) with MS_REMOUNT",
		Harmless: "with the flags that it has",
		Layers:   []Stop{filterPerm, by(Landlock, "EPERM"), noCap}, Controls: []int{1, 2, 6}, Critical: true,
	},
	{
		ID: "M05", Title: "mount by the new calls", Technique: "fsopen(2), open_tree(2) with OPEN_TREE_CLONE",
		Harmless: "the descriptors are closed at once, and nothing was attached",
		Layers:   []Stop{filterPerm, noCap}, Reference: "CVE-2022-0185", Controls: []int{1, 2}, Critical: true,
	},
	{
		ID: "M06", Title: "move mounts and the root", Technique: "move_mount(2), mount_setattr(2), pivot_root(2)",
		Harmless: "of descriptor -1 and of a path that cannot exist",
		Layers:   []Stop{filterPerm, noCap}, Controls: []int{1, 2}, Critical: true,
	},
	{
		ID: "M07", Title: "change the root directory", Technique: "chroot(2)",
		Harmless: "to the root that it has",
		Layers:   []Stop{filterPerm, noCap}, Controls: []int{1, 2}, Critical: true,
	},
	{
		ID: "M08", Title: "join a namespace", Technique: "setns(2)",
		Harmless: "the UTS namespace that it is in",
		Layers:   []Stop{filterPerm, noCap}, Controls: []int{1, 2}, Critical: true,
	},
	{
		ID: "M09", Title: "make a user namespace", Technique: "clone(2) with CLONE_NEWUSER",
		Harmless: "the child ends at once, and the namespace with it",
		Layers:   []Stop{filterPerm, by(Sysctls, "ENOSPC"), byGuard}, Reference: "CVE-2024-1086, CVE-2026-43284", Controls: []int{1, 5}, Critical: true,
	},
	{
		ID: "M10", Title: "make other namespaces", Technique: "unshare(2) of mount, network, pid, IPC, cgroup, time",
		Harmless: "of a child that ends at once",
		Layers:   []Stop{filterPerm, noCap, by(Sysctls, "ENOSPC")}, Controls: []int{1, 2},
	},
	{
		ID: "M11", Title: "clone3, whose flags no filter can see", Technique: "clone3(2) with CLONE_NEWUSER",
		Harmless: "the child ends at once, and the namespace with it",
		Layers:   []Stop{filterNoSys, by(Sysctls, "ENOSPC"), byGuard}, Controls: []int{1},
	},
	{
		ID: "M12", Title: "take a mask off", Technique: "umount2(2) of what hides a file of /proc",
		Harmless: "at the very end, in a copy of the mounts where one can be made",
		Layers:   []Stop{filterPerm, by(Landlock, "EPERM"), noCap}, Controls: []int{1, 16}, Limits: true,
	},
	{
		ID: "M13", Title: "what is shared with the host: mounts, control groups, processes, its name", Technique: "propagation in /proc/self/mountinfo, /proc/self/cgroup, owners and parents of /proc/PID, uname(2)",
		Harmless: "it is read",
		Layers:   []Stop{by(Mounts), by(Namespaces)}, Controls: []int{7, 10, 19},
	},
	{
		ID: "M14", Title: "the host's directories and engines", Technique: "writable binds in mountinfo, sockets of engines",
		Harmless: "they are looked at",
		Layers:   []Stop{by(NoHostFiles), by(Landlock, "EACCES"), by(UserNS, "EACCES")}, Reference: "CDK docker-sock", Controls: []int{17, 18},
	},
	{
		ID: "M15", Title: "descriptors that were left open", Technique: "descriptors above 2, and a working directory outside the root",
		Harmless: "they are looked at",
		Layers:   []Stop{by(Launcher)}, Reference: "CVE-2024-21626", Controls: []int{27},
	},
	{
		ID: "M16", Title: "overwrite the program that started it", Technique: "open(2) of /proc/1/exe for writing",
		Harmless: "opened and closed",
		Layers:   []Stop{by(ReadOnly, "EROFS"), by(Launcher, "ETXTBSY"), by(NonRoot, "EACCES")}, Reference: "CVE-2019-5736", Controls: []int{6, 27},
	},
	{
		ID: "M17", Title: "open the host's files by handle", Technique: "name_to_handle_at(2), open_by_handle_at(2)",
		Harmless: "the root directory; nothing is read",
		Layers:   []Stop{filterPerm, noCap}, Reference: "shocker", Controls: []int{1, 2}, Critical: true,
	},
	{
		ID: "M18", Title: "images that redirect the runtime's own mounts", Technique: "symbolic links at /dev, /dev/null, /dev/pts and mount points",
		Harmless:  "images made for it, run on throwaway trees and looked at from the host",
		Layers:    []Stop{by(Launcher)},
		Reference: "CVE-2025-31133, CVE-2025-52565, CVE-2025-52881, CVE-2026-41579, CVE-2021-30465", Controls: []int{27}, Limits: true,
	},
}

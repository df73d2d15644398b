package battery

// files are what /proc and /sys tell and let change.
var files = []Probe{
	{
		ID: "F01", Title: "the kernel's memory", Technique: "/proc/kcore",
		Harmless: "opened and closed, never read",
		Layers:   []Stop{hidden, by(Capabilities, "EPERM", "EACCES"), byGuard}, Controls: []int{16},
	},
	{
		ID: "F02", Title: "keys", Technique: "/proc/keys",
		Harmless: "64 bytes are read",
		Layers:   []Stop{hidden, byGuard}, Controls: []int{16},
	},
	{
		ID: "F03", Title: "timers of all processes", Technique: "/proc/timer_list",
		Harmless: "64 bytes are read",
		Layers:   []Stop{hidden, ownedByRoot, byGuard}, Controls: []int{16},
	},
	{
		ID: "F04", Title: "the kernel's symbols, configuration and memory map", Technique: "/proc/kallsyms, key-users, config.gz, iomem",
		Harmless: "64 bytes are read",
		Layers:   []Stop{hidden, byGuard}, Controls: []int{16},
	},
	{
		ID: "F05", Title: "interrupts, which tell when others type", Technique: "/proc/interrupts",
		Harmless: "64 bytes are read",
		Layers:   []Stop{hidden, byGuard}, Controls: []int{16},
	},
	{
		ID: "F06", Title: "the kernel's allocations", Technique: "/proc/slabinfo, vmallocinfo, pagetypeinfo",
		Harmless: "64 bytes are read",
		Layers:   []Stop{hidden, ownedByRoot}, Controls: []int{16},
	},
	{
		ID: "F07", Title: "the kernel's log as a file", Technique: "/proc/kmsg, /dev/kmsg",
		Harmless: "opened and closed: reading would take lines out",
		Layers:   []Stop{hidden, by(Capabilities, "EPERM", "EACCES")}, Controls: []int{16},
	},
	{
		ID: "F08", Title: "firmware", Technique: "/sys/firmware",
		Harmless: "its names are read",
		Layers:   []Stop{hidden, byGuard}, Controls: []int{16},
	},
	{
		ID: "F09", Title: "modules and where the kernel is", Technique: "/sys/module, /sys/kernel/vmcoreinfo",
		Harmless: "names, and 64 bytes, are read",
		Layers:   []Stop{hidden, byGuard}, Controls: []int{16},
	},
	{
		ID: "F10", Title: "what the host runs on a crash", Technique: "kernel.core_pattern for writing",
		Harmless: "opened and closed",
		Layers:   []Stop{readOnly, ownedByRoot}, Reference: "core_pattern escape", Controls: []int{16, 24},
	},
	{
		ID: "F11", Title: "the host's memory policy", Technique: "vm.overcommit_memory for writing",
		Harmless: "opened and closed",
		Layers:   []Stop{readOnly, ownedByRoot}, Controls: []int{16, 24},
	},
	{
		ID: "F12", Title: "triggers of the host", Technique: "sysrq-trigger, binfmt_misc/register, uevent_helper for writing",
		Harmless: "opened and closed",
		Layers:   []Stop{readOnly, ownedByRoot}, Controls: []int{16},
	},
	{
		ID: "F13", Title: "be spared when memory runs out", Technique: "oom_score_adj, lower",
		Harmless: "of a child, and back",
		Layers:   []Stop{by(Capabilities, "EACCES")}, Controls: []int{2, 11},
	},
}

var devices = []Probe{
	{
		ID: "D01", Title: "make a device", Technique: "mknod(2) of null, open(2)",
		Harmless: "the device that everybody has; removed",
		Layers:   []Stop{filterPerm, by(Landlock, "EACCES"), noCap, by(Mounts, "EACCES")}, Controls: []int{1, 2, 20}, Critical: true,
	},
	{
		ID: "D02", Title: "make the host's memory, log and disk", Technique: "mknod(2) of mem, kmsg and the root's disk, open(2)",
		Harmless: "opened for reading, and not read; removed",
		Layers:   []Stop{filterPerm, by(Landlock, "EACCES"), noCap, by(Mounts, "EACCES"), by(Cgroup, "EPERM")}, Reference: "CDK mount-disk", Controls: []int{2, 20}, Critical: true,
	},
	{
		ID: "D03", Title: "devices that are there", Technique: "open(2) of /dev/mem, kvm, fuse, net/tun",
		Harmless: "opened and closed",
		Layers:   []Stop{by(DeviceNodes, "ENOENT"), by(Devices, "EPERM")}, Controls: []int{20},
	},
}

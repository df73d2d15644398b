package predict

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
)

// high is what an int argument may carry above what the kernel reads of it.
const high = 1 << 32

// calls are parts that a filter alone stops: one for each call.
func calls(list ...call) []part {
	var out []part
	for _, c := range list {
		out = append(out, part{calls: []call{c}})
	}
	return out
}

// one is an attack of one call.
func one(c call, then ...layer) []part { return []part{{calls: []call{c}, then: then}} }

// each is an attack of several calls, with the same layers after the filter.
func each(list []call, then ...layer) []part {
	parts := calls(list...)
	for i := range parts {
		parts[i].then = then
	}
	return parts
}

// only is an attack that needs no call that a filter would refuse.
func only(then ...layer) []part { return []part{{then: then}} }

func names(list ...string) []call {
	var out []call
	for _, name := range list {
		out = append(out, sys(name))
	}
	return out
}

func socket(family, kind, protocol uint64) call { return sys("socket", family, kind, protocol) }

// attacks are what the probe program asks the kernel for, in its order of parts,
// and what the kernel asks after the filter, in its own.
var attacks = map[string][]part{
	// Security modules are asked before the capability is (path_mount()), and
	// after it to unmount.
	"M01": one(sys("mount"), landlocked, own("SYS_ADMIN")),
	"M02": one(sys("mount"), landlocked, own("SYS_ADMIN")),
	// New hierarchies are made in the host's cgroup namespace only
	// (cgroup1_get_tree() in kernel/cgroup/cgroup-v1.c).
	"M03": one(sys("mount"), landlocked, own("SYS_ADMIN"), ofNamespace(specs.CgroupNamespace, "EPERM")),
	"M04": one(sys("mount"), landlocked, own("SYS_ADMIN")),
	"M05": each(names("fsopen", "open_tree"), own("SYS_ADMIN")),
	"M06": each(names("move_mount", "mount_setattr", "pivot_root"), own("SYS_ADMIN")),
	"M07": one(sys("chroot"), own("SYS_CHROOT")),
	"M08": one(sys("setns"), own("SYS_ADMIN")),
	"M09": one(sys("clone", 0x10000000|17), guarded(spec.GuardUserNS), inside("user.max_user_namespaces", "ENOSPC")),
	// Mount namespaces are not counted out: who joins needs a detached mount.
	"M10": slices.Concat(one(sys("unshare", 0x20000), own("SYS_ADMIN")), each([]call{
		sys("unshare", 0x40000000), sys("unshare", 0x20000000),
		sys("unshare", 0x8000000), sys("unshare", 0x2000000), sys("unshare", 0x80),
	}, own("SYS_ADMIN"), inside("user.max_net_namespaces", "ENOSPC"))),
	"M11": one(sys("clone3"), guarded(spec.GuardUserNS), inside("user.max_user_namespaces", "ENOSPC")),
	"M12": one(sys("umount2"), own("SYS_ADMIN"), landlocked),
	"M13": {
		{then: []layer{private}}, {then: []layer{ofNamespace(specs.CgroupNamespace)}},
		{then: []layer{ofNamespace(specs.PIDNamespace)}}, {then: []layer{ofNamespace(specs.UTSNamespace)}},
	},
	"M14": {{then: []layer{noHostFiles, noRule(spec.LandlockMake, insideBind)}}, {then: []layer{noHostFiles, rootsFile}}},
	"M15": only(launcher),
	// The owner is asked before the mount is.
	"M16": only(rootsFile, readOnlyMount(ProbePath), noRule(spec.LandlockWrite, ProbePath)),
	"M17": one(sys("open_by_handle_at"), hosts("DAC_READ_SEARCH")),

	"K01": each(names("init_module", "finit_module", "delete_module"), hosts("SYS_MODULE")),
	"K02": one(sys("kexec_load"), hosts("SYS_BOOT")),
	"K03": one(sys("reboot"), own("SYS_BOOT")),
	"K04": {
		{calls: names("swapon"), then: []layer{hosts("SYS_ADMIN")}},
		{calls: names("swapoff"), then: []layer{hosts("SYS_ADMIN")}},
		{calls: names("acct"), then: []layer{hosts("SYS_PACCT")}},
	},
	"K05": one(sys("quotactl")),
	"K06": one(sys("settimeofday"), hosts("SYS_TIME")),
	"K07": one(sys("adjtimex")),
	"K08": one(sys("syslog"), guarded(spec.GuardSyslog), restricted("kernel.dmesg_restrict", "EPERM", "1")),
	"K09": {
		{calls: names("iopl"), then: []layer{hosts("SYS_RAWIO")}},
		{calls: names("ioperm"), then: []layer{hosts("SYS_RAWIO")}},
		{calls: names("vhangup"), then: []layer{hosts("SYS_TTY_CONFIG")}},
	},
	"K10": one(sys("sethostname"), own("SYS_ADMIN")),
	"K11": one(sys("fanotify_init"), inside("user.max_fanotify_groups", "EMFILE")),

	"X01": one(sys("bpf"), restricted("kernel.unprivileged_bpf_disabled", "EPERM", "1", "2"), guarded(spec.GuardBPF)),
	// 3 and 4 are Debian's and Ubuntu's.
	"X02": one(sys("perf_event_open"), restricted("kernel.perf_event_paranoid", "EACCES", "3", "4"), guarded(spec.GuardPerf)),
	"X03": one(sys("userfaultfd"), restricted("vm.unprivileged_userfaultfd", "EPERM", "0"), guarded(spec.GuardUserfaultfd)),
	"X04": one(sys("userfaultfd", 1), guarded(spec.GuardUserfaultfd)),
	"X05": one(sys("io_uring_setup"), restricted("kernel.io_uring_disabled", "EPERM", "1", "2"), guarded(spec.GuardIOUring)),
	"X06": one(sys("keyctl"), guarded(spec.GuardKeys)),
	"X07": each(names("add_key", "request_key"), guarded(spec.GuardKeys)),
	"X08": one(sys("ptrace"), guarded(spec.GuardPtrace)),
	"X09": one(sys("process_vm_readv"), guarded(spec.GuardPtrace)),
	"X10": each(names("kcmp", "move_pages"), guarded(spec.GuardCompare)),
	"X11": one(sys("pidfd_getfd"), guarded(spec.GuardPtrace)),
	"X12": one(sys("memfd_create", 0, 0x10), inside("vm.memfd_noexec", "EACCES")),
	"X13": {
		{then: written("/tmp")}, {then: written("/dev/shm")}, {then: written("/run")}, {then: written("/var/tmp")},
	},
	"X14": one(sys("mmap", 0, 4096, 7)),
	"X15": calls(names("memfd_secret", "modify_ldt")...),
	"X16": one(sys("personality", 0x0040000)),
	"X17": one(sys("splice")),
	"X18": {
		{calls: names("sched_setscheduler"), then: []layer{hosts("SYS_NICE")}},
		{calls: names("ioprio_set"), then: []layer{hosts("SYS_NICE")}},
	},
	"X19": one(sys("statmount")),

	"A01": only(nativeOnly),
	"A02": only(nativeOnly, noFamily(40)),
	"A03": only(nativeOnly),
	"A04": {
		{calls: []call{socket(high|40, 1, 0)}},
		{calls: []call{socket(2, high|3, high|1)}, then: []layer{own("NET_RAW")}},
		{calls: []call{sys("socketpair", high|40, 1)}},
		{calls: []call{sys("personality", high|0x0040000)}},
		{calls: []call{sys("prctl", high|34)}},
		{calls: []call{sys("fchmod", 3, high|0o4700)}},
		{calls: []call{sys("ioctl", 3, high|0x5412)}},
		{calls: []call{sys("ioctl", high-1, high|0x541c)}, then: []layer{noConsole}},
	},
	"A05": only(missing),
	"A06": each([]call{sys("ioctl", 3, 0x5412), sys("ioctl", 3, high|0x5412)}, guarded(spec.GuardTTY)),
	"A07": each([]call{sys("ioctl", high-1, 0x541c), sys("ioctl", high-1, high|0x541c)}, noConsole),

	"N01": sockets(socket(38, 5, 0)),
	"N02": sockets(socket(40, 1, 0)),
	"N03": sockets(socket(33, 2, 2), socket(21, 5, 0)),
	"N04": sockets(socket(15, 3, 2), socket(30, 5, 0), socket(29, 3, 1), socket(31, 3, 1), socket(43, 1, 0), socket(9, 5, 0)),
	"N05": sockets(socket(44, 3, 0)).then(own("NET_RAW")),
	"N06": sockets(socket(17, 3, 0), socket(2, 3, 1)).then(own("NET_RAW")),
	"N07": sockets(socket(16, 3, 6), socket(16, 3, 12)),
	"N08": sockets(socket(16, 3, 9)),
	"N09": sockets(socket(16, 3, 16), socket(16, 3, 4), socket(16, 2, 11)),
	"N10": sockets(socket(16, 3, 0), socket(16, 3, 15)),
	"N11": {{calls: []call{socket(2, 1, 0), sys("bind")}, then: []layer{noTCP, lowPort}}},
	"N12": each([]call{socket(2, 2, 0), socket(10, 2, 0)}, noRoute),
	"N13": only(ofNamespace(specs.NetworkNamespace), ownAbstract),
	"N15": {{calls: []call{socket(2, 1, 0), sys("connect")}, then: []layer{noConnect, noWay}}},
	"N14": only(netSettings, readOnlyPath("/proc/sys/net/ipv4/ip_forward")),

	"F01": only(hidden("/proc/kcore"), rootsFile, noPath("/proc/kcore")),
	"F02": only(hidden("/proc/keys"), noPath("/proc/keys")),
	"F03": only(hidden("/proc/timer_list"), rootsFile, noPath("/proc/timer_list")),
	"F04": {
		{then: []layer{hidden("/proc/kallsyms"), noPath("/proc/kallsyms")}}, {then: []layer{hidden("/proc/key-users"), noPath("/proc/key-users")}},
		{then: []layer{hidden("/proc/config.gz"), noPath("/proc/config.gz")}}, {then: []layer{hidden("/proc/iomem"), rootsFile, noPath("/proc/iomem")}},
	},
	"F05": only(hidden("/proc/interrupts"), noPath("/proc/interrupts")),
	"F06": {
		{then: []layer{hidden("/proc/slabinfo"), rootsFile}}, {then: []layer{hidden("/proc/vmallocinfo"), rootsFile}},
		{then: []layer{hidden("/proc/pagetypeinfo"), rootsFile}},
	},
	"F07": {{then: []layer{hidden("/proc/kmsg"), rootsFile}}, {then: []layer{noDevice, rootsFile}}},
	"F08": only(hidden("/sys/firmware"), noPath("/sys/firmware")),
	"F09": {{then: []layer{hidden("/sys/module"), noPath("/sys/module")}}, {then: []layer{hidden("/sys/kernel/vmcoreinfo"), noPath("/sys/kernel/vmcoreinfo")}}},
	"F10": only(rootsFile, readOnlyPath("/proc/sys/kernel/core_pattern")),
	"F11": only(rootsFile, readOnlyPath("/proc/sys/vm/overcommit_memory")),
	"F12": {
		{then: []layer{rootsFile, readOnlyPath("/proc/sysrq-trigger")}},
		{then: []layer{rootsFile, readOnlyPath("/proc/sys/fs/binfmt_misc/register")}},
		{then: []layer{rootsFile, readOnlyMount("/sys/kernel/uevent_helper")}},
	},
	"F13": only(hostsWith("SYS_RESOURCE", "EACCES")),

	"D01": one(sys("mknodat", 0, 0, 0o020600), noDevices, hosts("MKNOD"), option("/tmp", "nodev", "EACCES")),
	"D02": {
		{calls: []call{sys("mknodat", 0, 0, 0o020600)}, then: []layer{noDevices, deviceCgroup, hosts("MKNOD"), option("/tmp", "nodev", "EACCES")}},
		{calls: []call{sys("mknodat", 0, 0, 0o060600)}, then: []layer{noDevices, deviceCgroup, hosts("MKNOD"), option("/tmp", "nodev", "EACCES")}},
	},
	"D03": only(noDevice, deviceCgroup),

	"P01": only(noCapability),
	"P02": only(noNewPrivs, rootNosuid),
	"P03": one(sys("setuid"), own("SETUID")),
	"P04": one(sys("fsetxattr"), own("SETFCAP")),
	"P05": one(sys("chmod", 0, 0o4700), option("/tmp", "nosuid")),
	"P06": only(mappedRoot, notRoot),

	// A second limit is asked first (copy_process() in kernel/fork.c), and is the
	// larger one.
	"R01": only(pids, nproc),
	"R02": only(memory),
	// What is in a tmpfs is the container's memory.
	"R03": only(tmpfsSize, memory),
	"R04": only(nofile),
	"R05": only(cpu),
	"R06": only(launcher),
	"M18": only(launcher),
	"R07": one(sys("shmget"), guarded(spec.GuardShm), inside("kernel.shmmni", "ENOSPC")),
	"R08": only(readOnlyRoot, noRule(spec.LandlockMake, "/"), nonRoot),
}

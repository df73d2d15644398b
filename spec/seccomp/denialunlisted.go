package seccomp

import (
	"strconv"

	"github.com/safe-run/safe-run/spec/event"
)

// typeNames are the types of sockets (linux/net.h).
var typeNames = map[uint32]string{1: "SOCK_STREAM", 2: "SOCK_DGRAM", 3: "SOCK_RAW", 4: "SOCK_RDM", 5: "SOCK_SEQPACKET", 6: "SOCK_DCCP", 10: "SOCK_PACKET"}

// Protocols that programs try and go on without.
const (
	protoICMP   = 1
	protoICMPv6 = 58
	protoMPTCP  = 262
)

// deniedSocketType is for a socket of a family that is allowed, whose type or
// protocol is not.
func deniedSocketType(d *event.Denial, args [6]uint64) bool {
	family, kind, protocol := uint32(args[0]), uint32(args[1])&sockTypeMask, uint32(args[2])
	name, known := typeNames[kind]
	if !known {
		name = strconv.Itoa(int(kind))
	}
	d.Arguments = append(d.Arguments, "type "+name, "protocol "+strconv.Itoa(int(int32(protocol))))
	d.Severity, d.Risk = event.Medium, "protocols of the kernel that few use and any user could reach"
	d.Instead = "no profile allows it: of this family there are TCP and UDP"
	switch internet := family == afInet || family == afInet6; {
	case internet && kind == sockRaw:
		d.Meaning, d.Risk = "packets of one's own making, as ping and scanners send them", "forged packets, and all that arrives for others in the container"
		d.Allow, d.Instead = []string{"process:", "  capabilities:", "    - {name: NET_RAW, why: ...}"}, ""
	case internet && kind == sockStream && protocol == protoMPTCP:
		d.Severity, d.Harmless, d.Meaning = event.Low, true, "TCP over several paths, which programs ask for and go on without"
	case internet && kind == sockDgram && (protocol == protoICMP || protocol == protoICMPv6):
		d.Severity, d.Meaning = event.Low, "ping without a privilege"
	case family == afNetlink:
		d.Risk = "the kernel's settings of packet filters, audit and IPsec"
		d.Instead = "no profile allows it: of netlink there is NETLINK_ROUTE, which lists interfaces and addresses"
	case !internet:
		d.Instead = "no profile allows it: of this family there are streams and datagrams"
	}
	return true
}

// optionNames are the operations of prctl(2) that are on no list.
var optionNames = map[uint32]string{
	5: "PR_GET_UNALIGN", 6: "PR_SET_UNALIGN", 9: "PR_GET_FPEMU", 10: "PR_SET_FPEMU", 11: "PR_GET_FPEXC", 12: "PR_SET_FPEXC",
	13: "PR_GET_TIMING", 14: "PR_SET_TIMING", 19: "PR_GET_ENDIAN", 20: "PR_SET_ENDIAN", prSetSeccomp: "PR_SET_SECCOMP",
	25: "PR_GET_TSC", 26: "PR_SET_TSC", 31: "PR_TASK_PERF_EVENTS_DISABLE", 32: "PR_TASK_PERF_EVENTS_ENABLE",
	33: "PR_MCE_KILL", 34: "PR_MCE_KILL_GET", 35: "PR_SET_MM", 40: "PR_GET_TID_ADDRESS", 43: "PR_MPX_ENABLE_MANAGEMENT", 44: "PR_MPX_DISABLE_MANAGEMENT",
	45: "PR_SET_FP_MODE", 46: "PR_GET_FP_MODE", 53: "PR_SET_SPECULATION_CTRL", 57: "PR_SET_IO_FLUSHER", 58: "PR_GET_IO_FLUSHER",
	59: "PR_SET_SYSCALL_USER_DISPATCH", 62: "PR_SCHED_CORE", 63: "PR_SME_SET_VL", 64: "PR_SME_GET_VL",
	67: "PR_SET_MEMORY_MERGE", 68: "PR_GET_MEMORY_MERGE",
}

// graveOptions are those that weaken who asks, or others.
var graveOptions = map[uint32]string{
	35: "what ps shows, and /proc/PID/exe, would be the program's to choose",
	53: "mitigations of speculative execution would be the program's to switch off",
	62: "which processes share a core would be the program's to choose",
	67: "a side channel between processes: merged pages tell what others have in memory",
}

// deniedOption is for an operation of prctl.
func deniedOption(d *event.Denial, args [6]uint64) bool {
	option := uint32(args[0])
	name, known := optionNames[option]
	if !known {
		name = strconv.FormatUint(uint64(option), 10)
	}
	d.Arguments, d.Severity, d.Harmless = []string{"option " + name}, event.Low, true
	d.Instead = "no profile allows it: operations come with almost every kernel, and programs go on without this one"
	if why, grave := graveOptions[option]; grave {
		d.Severity, d.Risk, d.Harmless = event.Medium, why, false
		d.Instead = "no profile allows it"
	}
	if option == prSetSeccomp {
		d.Harmless, d.Meaning, d.Risk = false, "the program's own sandbox", "more code of the kernel; a filter of its own can only refuse more"
		d.Allow, d.Instead = []string{"seccomp:", "  allow:", "    - {name: seccomp, why: ...}"}, ""
	}
	return true
}

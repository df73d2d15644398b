package spec

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
)

// Guard is what the host's guard refuses the container, once more: BPF programs
// of the security module, which an administrator switches on (safe-run guard on).
// They know nothing of system calls. They are asked where the kernel is about to
// do the thing itself, by whichever call that was reached, and so hold where a
// filter or a mask has a hole. What each class does not hold is said beside it.
type Guard struct {
	// Deny are names of classes; see GuardClasses.
	Deny []string `json:"deny,omitempty"`
	// Families are the address families that no socket is made of, Netlink the
	// protocols of AF_NETLINK.
	Families []uint32 `json:"families,omitempty"`
	Netlink  []uint32 `json:"netlink,omitempty"`
	// Paths are files and directories of /proc and /sys that nobody opens, whatever
	// is or is not mounted on them.
	Paths []string `json:"paths,omitempty"`
}

// The classes of the guard.
const (
	GuardUserfaultfd = "userfaultfd"
	GuardIOUring     = "io-uring"
	// Look at, use, change and search keys and keyrings. That a process makes itself a
	// new session keyring without a name is asked about nowhere.
	GuardKeys = "keys"
	// Trace others, take their descriptors, and read and write their memory by
	// process_vm_readv(2) and its like. Not by /proc/PID/mem: no filter refuses that,
	// so that the plan allows it to whom the kernel does.
	GuardPtrace  = "ptrace"
	GuardCompare = "processes" // compare and move what others have
	GuardPerf    = "perf-events"
	GuardBPF     = "bpf"
	GuardShm     = "sysv-shm"
	GuardMsg     = "sysv-msg"
	GuardSem     = "sysv-sem"
	GuardUserNS  = "user-namespaces"
	GuardSyslog  = "syslog"
	GuardTTY     = "terminal-input" // TIOCSTI and TIOCLINUX
)

// guardClass is something that the kernel asks one hook for: all the ways to it
// that a filter knows. It is refused when the filter refuses every one of them.
type guardClass struct {
	name  string
	calls []guardCall
	// masks are paths that lead there as well, and have to be masked.
	masks []string
}

// guardCall is a system call, with what is known of its arguments.
type guardCall struct {
	name  string
	known []knownBits
}

// knownBits are bits of an argument. An int has 32 that the kernel looks at; what
// is above them may be anything.
type knownBits struct {
	index       uint
	mask, value uint64
}

func intArg(index uint, value uint32) knownBits { return knownBits{index, 0xffffffff, uint64(value)} }

func plainCalls(names ...string) []guardCall {
	var out []guardCall
	for _, name := range names {
		out = append(out, guardCall{name: name})
	}
	return out
}

// newUserNS is CLONE_NEWUSER.
const newUserNS = 0x10000000

// guardClasses in the order of their bits: a new one comes last.
var guardClasses = []guardClass{
	{name: GuardUserfaultfd, calls: plainCalls("userfaultfd")},
	{name: GuardIOUring, calls: plainCalls("io_uring_setup")},
	{name: GuardKeys, calls: plainCalls("keyctl", "add_key", "request_key")},
	// PTRACE_MODE_ATTACH_REALCREDS, by whom it is asked for in the kernel.
	{name: GuardPtrace, calls: plainCalls("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd")},
	// PTRACE_MODE_READ_REALCREDS. PR_SCHED_CORE (62) is one of prctl(2)'s.
	{name: GuardCompare, calls: append(plainCalls("kcmp", "move_pages", "migrate_pages", "get_robust_list", "perf_event_open"),
		guardCall{"prctl", []knownBits{intArg(0, 62)}})},
	{name: GuardPerf, calls: plainCalls("perf_event_open")},
	{name: GuardBPF, calls: plainCalls("bpf")},
	{name: GuardShm, calls: plainCalls("shmget")},
	{name: GuardMsg, calls: plainCalls("msgget")},
	{name: GuardSem, calls: plainCalls("semget")},
	{name: GuardUserNS, calls: []guardCall{
		{"unshare", []knownBits{{0, newUserNS, newUserNS}}}, {"clone", []knownBits{{0, newUserNS, newUserNS}}}, {name: "clone3"},
	}},
	// Who opens the log as a file is asked the same.
	{name: GuardSyslog, calls: plainCalls("syslog"), masks: []string{"/proc/kmsg"}},
	{name: GuardTTY, calls: []guardCall{{"ioctl", []knownBits{intArg(1, 0x5412)}}, {"ioctl", []knownBits{intArg(1, 0x541c)}}}},
}

// guardPaths in the order of their bits: a new one comes last. A directory stands
// for all below it.
var guardPaths = []string{
	"/proc/acpi", "/proc/asound", "/proc/config.gz", "/proc/interrupts", "/proc/iomem", "/proc/kallsyms", "/proc/kcore",
	"/proc/key-users", "/proc/keys", "/proc/kmsg", "/proc/latency_stats", "/proc/pagetypeinfo", "/proc/sched_debug",
	"/proc/scsi", "/proc/slabinfo", "/proc/timer_list", "/proc/timer_stats", "/proc/vmallocinfo",
	"/sys/firmware", "/sys/module", "/sys/kernel/vmcoreinfo", "/sys/devices/virtual/powercap",
}

// GuardClasses are the names of all classes; the place of one is its bit.
func GuardClasses() []string {
	var out []string
	for _, c := range guardClasses {
		out = append(out, c.name)
	}
	return out
}

// GuardPaths are all paths that can be refused; the place of one is its bit.
func GuardPaths() []string { return slices.Clone(guardPaths) }

// Numbers of socket(2). There are fewer families than bits in the mark, and
// MAX_LINKS protocols of netlink.
const (
	guardFamilies = 64
	guardNetlink  = 32
	familyNetlink = 16
)

// MakeGuard says what of a plan the guard can hold as well: what its filter lets
// nobody ask for, and its masks let nobody see. It never refuses what they allow.
func MakeGuard(filter *specs.LinuxSeccomp, masked []string) *Guard {
	g := &Guard{}
	isMasked := func(at string) bool {
		return slices.ContainsFunc(masked, func(dir string) bool { return at == dir || below(at, dir) })
	}
	for _, c := range guardClasses {
		if !slices.ContainsFunc(c.calls, func(call guardCall) bool { return mayPass(filter, call) }) &&
			!slices.ContainsFunc(c.masks, func(at string) bool { return !isMasked(at) }) {
			g.Deny = append(g.Deny, c.name)
		}
	}
	for family := range uint32(guardFamilies) {
		if !makesSocket(filter, intArg(0, family)) {
			g.Families = append(g.Families, family)
		}
	}
	for protocol := range uint32(guardNetlink) {
		if !makesSocket(filter, intArg(0, familyNetlink), intArg(2, protocol)) {
			g.Netlink = append(g.Netlink, protocol)
		}
	}
	for _, at := range guardPaths {
		if isMasked(at) {
			g.Paths = append(g.Paths, at)
		}
	}
	return g
}

// makesSocket: both calls ask the same hook.
func makesSocket(filter *specs.LinuxSeccomp, known ...knownBits) bool {
	return mayPass(filter, guardCall{"socket", known}) || mayPass(filter, guardCall{"socketpair", known})
}

// mayPass says whether a filter lets a call through with any arguments that fit
// what is known. Where it cannot be sure it says so.
func mayPass(filter *specs.LinuxSeccomp, call guardCall) bool {
	// The rules are for one way of calling; by others the same names have other
	// arguments, and there are other names (socketcall, ipc).
	if filter == nil || len(filter.Architectures) != 1 || !refusesAll(filter.DefaultAction) {
		return true
	}
	return slices.ContainsFunc(filter.Syscalls, func(rule specs.LinuxSyscall) bool {
		return slices.Contains(rule.Names, call.name) && !refusesAll(rule.Action) &&
			!slices.ContainsFunc(rule.Args, func(a specs.LinuxSeccompArg) bool { return contradicts(a, call.known) })
	})
}

func refusesAll(action specs.LinuxSeccompAction) bool {
	switch action {
	case specs.ActErrno, specs.ActKill, specs.ActKillThread, specs.ActKillProcess, specs.ActTrap:
		return true
	}
	return false
}

// contradicts says that a condition cannot hold, given what is known.
func contradicts(a specs.LinuxSeccompArg, known []knownBits) bool {
	mask, value := uint64(0), uint64(0)
	switch a.Op {
	case specs.OpMaskedEqual:
		mask, value = a.Value, a.ValueTwo
	case specs.OpEqualTo:
		mask, value = ^uint64(0), a.Value
	}
	return slices.ContainsFunc(known, func(k knownBits) bool {
		return k.index == a.Index && (k.value^value)&k.mask&mask != 0
	})
}

// guard has the host's guard hold, too, where there is one.
func (c *compiler) guard() error {
	const setting = "guard"
	if !c.in.Host.Guard {
		return nil
	}
	if slices.ContainsFunc(c.in.Profile.Accept, func(a profiles.Accept) bool { return a.Name == profiles.WeakGuard }) {
		c.plan.Accepted = append(c.plan.Accepted, profiles.WeakGuard)
		at := entry("accept", profiles.WeakGuard)
		c.decide(Decision{Setting: setting, Value: "off", Source: c.source(at), Why: c.why(at, ""), Weakens: meaning(profiles.WeakGuard)})
		return nil
	}
	c.plan.Guard = MakeGuard(c.linux.Seccomp, c.linux.MaskedPaths)
	c.decide(Decision{
		Setting: setting, Value: c.plan.Guard.summary(), Source: fromHost,
		Why: "this host's guard refuses again, in the kernel's own checks, what filter and masks refuse",
	})
	return nil
}

// GuardNow is what the guard refuses a container that is about to begin where the
// guard is on: it may have been switched on since the plan was made, or the plan was
// made without a look at it. Nil where that was accepted.
func (p *Plan) GuardNow() *Guard {
	if p.Guard != nil || slices.Contains(p.Accepted, profiles.WeakGuard) {
		return p.Guard
	}
	return MakeGuard(p.OCI.Linux.Seccomp, p.OCI.Linux.MaskedPaths)
}

func (g *Guard) summary() string {
	return fmt.Sprintf("%s; %d address families, %d netlink protocols, %d paths", listOr(g.Deny, "nothing"), len(g.Families), len(g.Netlink), len(g.Paths))
}

// guard: it knows what it is asked for, and refuses nothing that is allowed.
func (v *validator) guard() {
	g := v.plan.Guard
	if g == nil {
		return
	}
	most := MakeGuard(v.plan.OCI.Linux.Seccomp, v.plan.OCI.Linux.MaskedPaths)
	within := func(what string, asked, may []string) {
		for _, one := range asked {
			v.must(slices.Contains(may, one), "the guard refuses the %s %q, which it does not know or the plan allows", what, strings.ToValidUTF8(one, "?"))
		}
	}
	within("class", g.Deny, most.Deny)
	within("path", g.Paths, most.Paths)
	for _, family := range g.Families {
		v.must(slices.Contains(most.Families, family), "the guard refuses address family %d, which the plan allows", family)
	}
	for _, protocol := range g.Netlink {
		v.must(slices.Contains(most.Netlink, protocol), "the guard refuses protocol %d of netlink, which the plan allows", protocol)
	}
}

package seccomp

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// conditions are the argument checks of one rule: all must hold. No argument
// may be in it twice: libcontainer would then take any of them as enough.
type conditions []specs.LinuxSeccompArg

// rule is what a filtered system call may be called with.
type rule struct {
	name string
	why  string
	// allow: any of these is enough. They must not overlap with deny, because
	// which of two overlapping rules wins is libseccomp's secret.
	allow []conditions
	// deny makes these fail with errno (EPERM when it is 0) instead of ENOSYS.
	deny  []conditions
	errno uint
}

// bits32 holds when the low 32 bits of argument i have value under mask.
func bits32(i uint, mask, value uint32) specs.LinuxSeccompArg {
	return specs.LinuxSeccompArg{Index: i, Op: specs.OpMaskedEqual, Value: uint64(mask), ValueTwo: uint64(value)}
}

// int32Is holds when argument i, an int to the kernel, is value.
func int32Is(i uint, value uint32) specs.LinuxSeccompArg {
	return bits32(i, 0xffffffff, value)
}

// filtered gives the rules of all system calls that are never allowed whole.
func filtered(p Policy) []rule {
	out := []rule{cloneRule(), ioctlRule(), personalityRule(), prctlRule(p), socketRule(p), {
		name:  "socketpair",
		why:   "only AF_UNIX has pairs that programs use",
		allow: []conditions{{int32Is(0, afUnix)}},
	}}
	out = append(out, nodeRule("mknod", 1), nodeRule("mknodat", 2))
	if p.Inbound {
		out = append(out, inboundRules()...)
	}
	return append(out, modeRules()...)
}

// newNamespaces are the flags of clone(2) that make namespaces: CLONE_NEWNS,
// NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. CLONE_NEWTIME (0x80)
// is not among them: clone takes the low byte as the exit signal, so that only
// clone3 and unshare can make a time namespace.
var newNamespaces = []uint32{0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000}

func cloneRule() rule {
	r := rule{name: "clone", why: "no new namespaces"}
	mask := uint32(0)
	for _, flag := range newNamespaces {
		mask |= flag
		r.deny = append(r.deny, conditions{bits32(0, flag, flag)})
	}
	r.allow = []conditions{{bits32(0, mask, 0)}}
	return r
}

// ttyRequests are the ioctl(2) requests that reach beyond the caller's own
// terminal session.
var ttyRequests = []uint32{
	0x5412, // TIOCSTI pushes input into the terminal: commands for the shell outside (CVE-2017-5226)
	0x541c, // TIOCLINUX pastes and selects on the console (CVE-2023-1523)
	0x5423, // TIOCSETD loads line disciplines, old drivers with a history of holes (CVE-2017-2636)
}

func ioctlRule() rule {
	r := rule{name: "ioctl", why: "no terminal injection, no line disciplines"}
	for _, c := range complement(ttyRequests) {
		r.allow = append(r.allow, conditions{bits32(1, c.mask, c.value)})
	}
	for _, request := range ttyRequests {
		r.deny = append(r.deny, conditions{int32Is(1, request)})
	}
	return r
}

// personalityRule leaves the default personality and the query. Other bits
// turn off address randomisation or make all readable memory executable.
func personalityRule() rule {
	return rule{name: "personality", why: "only the default, and asking", allow: []conditions{
		{int32Is(0, 0)}, {int32Is(0, 0xffffffff)},
	}}
}

const setIDBits = 0o6000 // S_ISUID|S_ISGID

// Flags of open(2) that create a file and so use the mode argument. They are
// the same on x86-64 and arm64. __O_TMPFILE is the part of O_TMPFILE that is
// not O_DIRECTORY.
const (
	oCreat   = 0o100
	oTmpfile = 0o20000000
)

// modeRules refuse the setuid and setgid bits. Files in a bind mount belong to
// the owner of the directory on the host, so a setuid file made inside would
// let anyone outside become that owner. mkdir(2) needs no rule: the kernel
// drops both bits from its mode.
func modeRules() []rule {
	const why = "no setuid or setgid bits"
	var out []rule
	for _, call := range []struct {
		name string
		mode uint
	}{{"chmod", 1}, {"creat", 1}, {"fchmod", 1}, {"fchmodat", 2}, {"fchmodat2", 2}} {
		out = append(out, rule{
			name: call.name, why: why,
			allow: []conditions{{bits32(call.mode, setIDBits, 0)}},
			deny:  []conditions{{bits32(call.mode, 0o4000, 0o4000)}, {bits32(call.mode, 0o2000, 0o2000)}},
		})
	}
	for _, call := range []struct {
		name        string
		flags, mode uint
	}{{"open", 1, 2}, {"openat", 2, 3}} {
		out = append(out, rule{
			name: call.name, why: why,
			allow: []conditions{
				// Without these flags the mode argument is whatever the register held.
				{bits32(call.flags, oCreat|oTmpfile, 0)},
				{bits32(call.mode, setIDBits, 0)},
			},
		})
	}
	return out
}

// nodeRule is for profiles that name mknod: it makes named pipes, and neither
// device nodes nor files with a setuid bit. mode is the argument's place.
func nodeRule(name string, mode uint) rule {
	const fileType, fifo = 0o170000, 0o010000 // S_IFMT, S_IFIFO
	r := rule{
		name: name, why: "only named pipes",
		allow: []conditions{{bits32(mode, fileType|setIDBits, fifo)}},
	}
	for _, bit := range []uint32{0o4000, 0o2000, 0o100000, 0o40000, 0o20000} {
		r.deny = append(r.deny, conditions{bits32(mode, bit, bit)})
	}
	r.deny = append(r.deny, conditions{bits32(mode, fifo, 0)})
	return r
}

// ruleFor finds the rule of name.
func ruleFor(rules []rule, name string) (rule, bool) {
	i := slices.IndexFunc(rules, func(r rule) bool { return r.name == name })
	if i < 0 {
		return rule{}, false
	}
	return rules[i], true
}

package seccomp_test

import (
	"slices"

	"github.com/safe-run/safe-run/spec/seccomp"
)

// AUDIT_ARCH_* of linux/audit.h.
const (
	auditX8664   = 0xc000003e
	auditI386    = 0x40000003
	auditAarch64 = 0xc00000b7
	auditArm     = 0x40000028
)

// SECCOMP_RET_* of linux/seccomp.h.
const (
	retKill         = 0x80000000 // the process, and not only the thread
	retAllow        = 0x7fff0000
	retEPERM        = 0x00050000 | 1
	retEACCES       = 0x00050000 | 13
	retENOSYS       = 0x00050000 | 38
	retEAFNOSUPPORT = 0x00050000 | 97
)

// call is what the kernel shows to a filter.
type call struct {
	arch uint32
	nr   uint32
	name string // of nr on the filter's architecture; empty when there is none
	args [6]uint64
}

// privileged is what the kernel itself refuses to one without capabilities.
var privileged = seccomp.Privileged()

// meaning is a policy with its groups written out.
type meaning struct {
	seccomp.Policy
	granted, allowed []string // by the profile; and by the launcher
}

func meaningOf(p seccomp.Policy) meaning {
	granted := seccomp.Expand(p.Allow)
	return meaning{p, granted, append(slices.Clone(granted), seccomp.Launcher(p)...)}
}

// model says what a policy means, in the kernel's own terms and without a look
// at the rules. An int argument is its low 32 bits, as the kernel takes it.
func model(p meaning, c call) uint32 {
	native := map[string]uint32{"amd64": auditX8664, "arm64": auditAarch64}[p.Arch]
	if c.arch != native {
		return retKill
	}
	// x32 and what lies above it, but not -1, which tracers write to skip a call.
	if native == auditX8664 && c.nr >= 0x40000000 && c.nr != 0xffffffff {
		return retKill
	}
	if !slices.Contains(p.allowed, c.name) {
		_, dangerous := seccomp.Denied(c.name)
		if dangerous || slices.Contains(privileged, c.name) {
			return retEPERM
		}
		return retENOSYS
	}
	return modelArgs(p, c)
}

func modelArgs(p meaning, c call) uint32 {
	arg := func(i int) uint32 { return uint32(c.args[i]) }
	switch c.name {
	case "clone":
		return deniedIf(arg(0)&0x7e020000 != 0)
	case "ioctl":
		return deniedIf(arg(1) == 0x5412 || arg(1) == 0x541c || arg(1) == 0x5423)
	case "personality":
		return allowedIf(arg(0) == 0 || arg(0) == 0xffffffff)
	case "prctl":
		return modelPrctl(p, arg(0))
	case "chmod", "creat", "fchmod":
		return deniedIf(arg(1)&0o6000 != 0)
	case "fchmodat", "fchmodat2":
		return deniedIf(arg(2)&0o6000 != 0)
	case "mknod":
		return deniedIf(arg(1)&0o176000 != 0o010000)
	case "mknodat":
		return deniedIf(arg(2)&0o176000 != 0o010000)
	case "open":
		return allowedIf(arg(1)&0x400040 == 0 || arg(2)&0o6000 == 0)
	case "openat":
		return allowedIf(arg(2)&0x400040 == 0 || arg(3)&0o6000 == 0)
	case "socketpair":
		return allowedIf(arg(0) == 1)
	case "connect":
		return barredIf(p.Inbound)
	case "sendto", "sendmmsg":
		return barredIf(p.Inbound && arg(3)&0x20000000 != 0)
	case "sendmsg":
		return barredIf(p.Inbound && arg(2)&0x20000000 != 0)
	case "socket":
		return modelSocket(p, arg(0), arg(1)&0xf, arg(2))
	}
	return retAllow
}

func modelPrctl(p meaning, option uint32) uint32 {
	allowed := []uint32{
		1, 2, 3, 4, 7, 8, 15, 16, 21, 23, 24, 27, 28, 29, 30, 36, 37, 38, 39, 41, 42, 47, 52, 65, 66,
		0x53564d41, 0x59616d61,
	}
	if p.Arch == "arm64" {
		allowed = append(allowed, 50, 51, 54, 55, 56, 60, 61)
	}
	if slices.Contains(p.granted, "seccomp") {
		allowed = append(allowed, 22)
	}
	return allowedIf(slices.Contains(allowed, option))
}

func modelSocket(p meaning, family, kind, protocol uint32) uint32 {
	if !slices.ContainsFunc(p.Families, func(name string) bool { return seccomp.FamilyNumber(name) == family }) {
		if family >= 64 && len(p.Families) > 0 { // no family at all
			return retENOSYS
		}
		return retEAFNOSUPPORT
	}
	const stream, dgram, raw, seqpacket = 1, 2, 3, 5
	switch family {
	case 2, 10:
		return allowedIf(kind == stream && (protocol == 0 || protocol == 6) ||
			kind == dgram && (protocol == 0 || protocol == 17) ||
			kind == raw && p.RawSockets)
	case 16:
		return allowedIf((kind == dgram || kind == raw) && protocol == 0)
	case 15, 17, 29, 44:
		return allowedIf(kind == dgram || kind == raw)
	}
	return allowedIf(kind == stream || kind == dgram || kind == seqpacket)
}

func deniedIf(bad bool) uint32 {
	if bad {
		return retEPERM
	}
	return retAllow
}

func barredIf(bad bool) uint32 {
	if bad {
		return retEACCES
	}
	return retAllow
}

func allowedIf(good bool) uint32 {
	if good {
		return retAllow
	}
	return retENOSYS
}

package seccomp

// Instruction is one of classic BPF (struct sock_filter in linux/filter.h).
type Instruction struct {
	Code   uint16
	JT, JF uint8
	K      uint32
}

const (
	loadWord    = 0x20 // BPF_LD|BPF_W|BPF_ABS
	andWith     = 0x54 // BPF_ALU|BPF_AND|BPF_K
	jumpAlways  = 0x05 // BPF_JMP|BPF_JA
	jumpEqual   = 0x15 // BPF_JMP|BPF_JEQ|BPF_K
	jumpGreater = 0x25 // BPF_JMP|BPF_JGT|BPF_K
	jumpAtLeast = 0x35 // BPF_JMP|BPF_JGE|BPF_K
	jumpBits    = 0x45 // BPF_JMP|BPF_JSET|BPF_K
	ret         = 0x06 // BPF_RET|BPF_K

	atNumber, atArch = 0, 4 // in struct seccomp_data

	retKillProcess = 0x80000000
	retErrno       = 0x00050000
	retAllow       = 0x7fff0000

	x32Bit = 0x40000000
)

// auditArch is how the kernel names an architecture to a filter (AUDIT_ARCH_*
// in linux/audit.h).
var auditArch = map[string]uint32{"amd64": 0xc000003e, "arm64": 0xc00000b7}

// KillForeign is a filter that kills the process on the first system call of
// another architecture, and lets everything else through. It is loaded before
// the policy's own and the stricter answer of two filters holds.
//
// The policy's own filter would kill the thread only, because OCI has no word
// for what else to do with architectures that it does not name. A program with
// several threads then hangs: the others wait for one that is gone.
func KillForeign(arch string) []Instruction {
	native, ok := auditArch[arch]
	if !ok {
		return nil
	}
	if arch != "amd64" {
		return []Instruction{
			{Code: loadWord, K: atArch},
			{Code: jumpEqual, JT: 1, K: native},
			{Code: ret, K: retKillProcess},
			{Code: ret, K: retAllow},
		}
	}
	// x32 is a bit in the number. -1 is no call of x32: a tracer writes it to
	// skip a call.
	return []Instruction{
		{Code: loadWord, K: atArch},
		{Code: jumpEqual, JF: 3, K: native},
		{Code: loadWord, K: atNumber},
		{Code: jumpAtLeast, JF: 2, K: x32Bit},
		{Code: jumpEqual, JT: 1, K: 0xffffffff},
		{Code: ret, K: retKillProcess},
		{Code: ret, K: retAllow},
	}
}

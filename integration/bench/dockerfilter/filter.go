// Package dockerfilter is the system call filter that Docker gives every
// container, for what is compared with it.
package dockerfilter

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec/seccomp"
)

// Filter is Docker's own: three architectures, and the arguments of three
// calls looked at.
func Filter() *specs.LinuxSeccomp {
	eperm := uint(1)
	whole := slices.DeleteFunc(seccomp.DockerAllowed("amd64"), func(name string) bool { return seccomp.DockerRule(name) != "" })
	out := &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, DefaultErrnoRet: &eperm,
		Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32},
		Syscalls:      []specs.LinuxSyscall{{Names: whole, Action: specs.ActAllow}},
	}
	when := func(name string, op specs.LinuxSeccompOperator, value uint64) {
		out.Syscalls = append(out.Syscalls, specs.LinuxSyscall{
			Names: []string{name}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Op: op, Value: value}},
		})
	}
	when("clone", specs.OpMaskedEqual, 0x7e020000)
	for _, value := range []uint64{0, 8, 0x20000, 0x20008, 0xffffffff} {
		when("personality", specs.OpEqualTo, value)
	}
	when("socket", specs.OpLessThan, 38)
	when("socket", specs.OpEqualTo, 39)
	when("socket", specs.OpGreaterThan, 40)
	return out
}

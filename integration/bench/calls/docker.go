package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec/seccomp"
)

// dockerBundle makes the plan that safe-run would run the loop with a bundle,
// with Docker's filter in the place of ours.
func dockerBundle(safeRun, dir, root string) error {
	plan, err := exec.Command(safeRun, "spec", "dir:"+root, "/loop").Output()
	if err != nil {
		return err
	}
	var oci specs.Spec
	if err := json.Unmarshal(plan, &oci); err != nil {
		return err
	}
	oci.Linux.Seccomp = dockerFilter()
	data, err := json.Marshal(oci)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.json"), data, 0o644)
}

// dockerFilter is Docker's own: three architectures, and the arguments of three
// calls looked at.
func dockerFilter() *specs.LinuxSeccomp {
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

//go:build cgo && seccomp

package runc

import (
	"encoding/binary"
	"fmt"

	"github.com/opencontainers/runc/libcontainer/specconv"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"

	"github.com/safe-run/safe-run/sandbox/runc/compiled"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// scmpArch names architectures as OCI does, for libseccomp.
var scmpArch = map[specs.Arch]libseccomp.ScmpArch{
	specs.ArchX86_64: libseccomp.ArchAMD64, specs.ArchAARCH64: libseccomp.ArchARM64,
}

var goArch = map[specs.Arch]string{specs.ArchX86_64: "amd64", specs.ArchAARCH64: "arm64"}

// CompileFilter makes the program that libcontainer's init loads for a filter as
// seccomp.Render makes it. System calls that this libseccomp does not know are
// left out, as libcontainer leaves them out.
func CompileFilter(oci *specs.LinuxSeccomp) ([]seccomp.Instruction, error) {
	if err := ours(oci); err != nil {
		return nil, err
	}
	config, err := specconv.SetupSeccomp(oci)
	if err != nil {
		return nil, err
	}
	arch, without := scmpArch[oci.Architectures[0]], libseccomp.ArchInvalid
	if native, err := libseccomp.GetNativeArch(); err != nil {
		return nil, err
	} else if native != arch {
		without = native
	}
	var program []byte
	_, err = compiled.Record(func() (err error) {
		program, err = compile(config, without)
		return err
	})
	if err != nil {
		return nil, err
	}
	var last libseccomp.ScmpSyscall
	for _, call := range config.Syscalls {
		if nr, err := libseccomp.GetSyscallFromNameByArch(call.Name, arch); err == nil {
			last = max(last, nr)
		}
	}
	out := seccomp.RefuseNewer(goArch[oci.Architectures[0]], uint32(last))
	for b := program; len(b) >= 8; b = b[8:] {
		out = append(out, seccomp.Instruction{
			Code: binary.NativeEndian.Uint16(b), JT: b[2], JF: b[3], K: binary.NativeEndian.Uint32(b[4:]),
		})
	}
	return out, nil
}

// ours says why a filter is none that seccomp.Render makes.
func ours(oci *specs.LinuxSeccomp) error {
	if len(oci.Architectures) != 1 || oci.DefaultErrnoRet == nil {
		return fmt.Errorf("a filter of %d architectures", len(oci.Architectures))
	}
	for _, call := range oci.Syscalls {
		known := call.Action == specs.ActAllow || call.Action == specs.ActNotify || call.Action == specs.ActErrno && call.ErrnoRet != nil
		if !known {
			return fmt.Errorf("no such action as %s", call.Action)
		}
	}
	return nil
}

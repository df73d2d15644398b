//go:build cgo && seccomp

package runc

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"

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

// treeAbove is the number of rules above which libcontainer has libseccomp look
// for a call's number in a tree.
const treeAbove = 32

// CompileFilter makes the program that libcontainer's init loads for a filter as
// seccomp.Render makes it. System calls that this libseccomp does not know are
// left out, as libcontainer leaves them out.
func CompileFilter(oci *specs.LinuxSeccomp) ([]seccomp.Instruction, error) {
	var program []byte
	_, err := compiled.Record(func() (err error) {
		program, err = compile(oci)
		return err
	})
	if err != nil {
		return nil, err
	}
	var last libseccomp.ScmpSyscall
	for _, call := range oci.Syscalls {
		for _, name := range call.Names {
			if nr, err := libseccomp.GetSyscallFromNameByArch(name, scmpArch[oci.Architectures[0]]); err == nil {
				last = max(last, nr)
			}
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

// entryOf compiles a filter for those who will load it.
func entryOf(oci *specs.LinuxSeccomp) (e compiled.Entry, err error) {
	e.Question, err = compiled.Record(func() (err error) {
		e.Program, err = compile(oci)
		return err
	})
	return e, err
}

// compile asks libseccomp what libcontainer's init will ask it, call by call
// (InitSeccomp of libcontainer/seccomp), and gives what it makes.
func compile(oci *specs.LinuxSeccomp) ([]byte, error) {
	filter, err := emptyFilter(oci)
	if err != nil {
		return nil, err
	}
	defer filter.Release()
	for _, call := range oci.Syscalls {
		for _, name := range call.Names {
			if err := addRule(filter, name, call); err != nil {
				return nil, fmt.Errorf("the filter's rule for %s: %w", name, err)
			}
		}
	}
	return exported(filter)
}

func emptyFilter(oci *specs.LinuxSeccomp) (*libseccomp.ScmpFilter, error) {
	if len(oci.Architectures) != 1 || oci.DefaultErrnoRet == nil {
		return nil, fmt.Errorf("a filter of %d architectures", len(oci.Architectures))
	}
	filter, err := libseccomp.NewFilter(libseccomp.ActErrno.SetReturnCode(int16(*oci.DefaultErrnoRet)))
	if err != nil {
		return nil, err
	}
	arch, native := scmpArch[oci.Architectures[0]], libseccomp.ArchInvalid
	if native, err = libseccomp.GetNativeArch(); err == nil {
		err = filter.AddArch(arch)
	}
	if err == nil && native != arch {
		err = filter.RemoveArch(native)
	}
	rules := 0
	for _, call := range oci.Syscalls {
		rules += len(call.Names)
	}
	if err == nil && rules > treeAbove {
		err = filter.SetOptimize(2)
	}
	if err == nil {
		err = filter.SetNoNewPrivsBit(false)
	}
	if err != nil {
		filter.Release()
		return nil, err
	}
	return filter, nil
}

func addRule(filter *libseccomp.ScmpFilter, name string, call specs.LinuxSyscall) error {
	nr, err := libseccomp.GetSyscallFromName(name)
	if err != nil {
		return nil
	}
	var action libseccomp.ScmpAction
	switch {
	case call.Action == specs.ActAllow:
		action = libseccomp.ActAllow
	case call.Action == specs.ActNotify:
		action = libseccomp.ActNotify
	case call.Action == specs.ActErrno && call.ErrnoRet != nil:
		action = libseccomp.ActErrno.SetReturnCode(int16(*call.ErrnoRet))
	default:
		return fmt.Errorf("no such action as %s", call.Action)
	}
	var conditions []libseccomp.ScmpCondition
	for _, arg := range call.Args {
		c, err := libseccomp.MakeCondition(arg.Index, libseccomp.CompareMaskedEqual, arg.Value, arg.ValueTwo)
		if err != nil {
			return err
		}
		conditions = append(conditions, c)
	}
	if len(conditions) == 0 {
		return filter.AddRule(nr, action)
	}
	return filter.AddRuleConditional(nr, action, conditions)
}

// exported takes the program out of libseccomp, which writes it into a file.
func exported(filter *libseccomp.ScmpFilter) ([]byte, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	type read struct {
		bytes []byte
		err   error
	}
	done := make(chan read, 1)
	go func() {
		all, err := io.ReadAll(r)
		done <- read{all, err}
	}()
	err = filter.ExportBPF(w)
	w.Close()
	got := <-done
	if err == nil {
		err = got.err
	}
	if err != nil {
		return nil, fmt.Errorf("compile the filter: %w", err)
	}
	return got.bytes, nil
}

package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
)

// attacksPath is where safe-run verify mounts the attacks, and attacksProgram what
// they are called beside this program.
const (
	attacksPath    = "/.safe-run-attacks"
	attacksProgram = "safe-run-probe"
)

// onlyAttacks says whether a plan is the compiled one with the attacks in place of
// the program, seen read-only, and with other errors in what the filter refuses.
// On a host with a floor nothing else may be changed: the floor was applied to the
// profile that the plan was compiled from.
func onlyAttacks(was, is *spec.Plan) error {
	args := is.OCI.Process.Args
	if len(args) > 0 && is.Lifecycle.Init && args[0] == spec.InitPath {
		args = args[1:]
	}
	if len(args) == 0 || args[0] != attacksPath {
		return fmt.Errorf("its program is another one than the attacks, on a host with a floor")
	}
	before, after, err := twins(was, is)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(after.OCI.Mounts, isAttacks) {
		return fmt.Errorf("the attacks are not mounted as they should be, on a host with a floor")
	}
	after.OCI.Mounts = slices.DeleteFunc(after.OCI.Mounts, isAttacks)
	after.Rootfs.FileMounts = slices.DeleteFunc(after.Rootfs.FileMounts, func(at string) bool { return at == attacksPath })
	after.OCI.Process.Args, after.OCI.Process.Terminal = before.OCI.Process.Args, before.OCI.Process.Terminal
	after.Lifecycle.Health, after.Reactions = before.Lifecycle.Health, before.Reactions
	for _, p := range []*spec.Plan{before, after} {
		sameErrors(p.OCI.Linux.Seccomp)
	}
	one, err := json.Marshal(before)
	if err != nil {
		return err
	}
	other, err := json.Marshal(after)
	if err == nil && !bytes.Equal(one, other) {
		err = fmt.Errorf("it differs from the compiled one in more than the attacks, on a host with a floor")
	}
	return err
}

// twins are copies of two plans, which have been through the same encoding.
func twins(was, is *spec.Plan) (before, after *spec.Plan, err error) {
	out := [2]*spec.Plan{new(spec.Plan), new(spec.Plan)}
	for i, p := range []*spec.Plan{was, is} {
		data, err := json.Marshal(p)
		if err == nil {
			err = json.Unmarshal(data, out[i])
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return out[0], out[1], nil
}

// isAttacks says whether a mount is that of the attacks: this installation's
// program, which can be read and executed and nothing else.
func isAttacks(m specs.Mount) bool {
	self, err := os.Executable()
	return err == nil && m.Destination == attacksPath && m.Type == "bind" && m.Source == filepath.Join(filepath.Dir(self), attacksProgram) &&
		slices.Equal(m.Options, []string{"bind", "rprivate", "nosuid", "nodev", "ro"}) && len(m.UIDMappings)+len(m.GIDMappings) == 0
}

// sameErrors takes away what a filter refuses with: that it refuses is what counts.
func sameErrors(filter *specs.LinuxSeccomp) {
	if filter == nil {
		return
	}
	filter.DefaultErrnoRet = nil
	for i := range filter.Syscalls {
		if filter.Syscalls[i].Action == specs.ActErrno {
			filter.Syscalls[i].ErrnoRet = nil
		}
	}
}

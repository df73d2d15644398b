//go:build !cgo || !seccomp

package runc

import (
	"errors"

	"github.com/opencontainers/runc/libcontainer/configs"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/sandbox/runc/compiled"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/seccomp"
)

func entryOf(*configs.Seccomp) (compiled.Entry, error) {
	return compiled.Entry{}, errors.New("built without libseccomp")
}

// CompileFilter needs libseccomp.
func CompileFilter(*specs.LinuxSeccomp) ([]seccomp.Instruction, error) {
	return nil, problem.New("use a safe-run that was built with it", "this safe-run was built without libseccomp, which compiles filters")
}

//go:build !cgo || !seccomp

package runc

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// CompileFilter needs libseccomp.
func CompileFilter(*specs.LinuxSeccomp) ([]seccomp.Instruction, error) {
	return nil, problem.New("use a safe-run that was built with it", "this safe-run was built without libseccomp, which compiles filters")
}

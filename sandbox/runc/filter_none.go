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

func canBeBrief(*configs.Seccomp) bool { return false }

func briefly(*configs.Seccomp, compiled.Entry) (*configs.Seccomp, compiled.Entry, error) {
	return nil, compiled.Entry{}, errors.New("built without libseccomp")
}

func restore(*configs.Seccomp, string) error { return nil }

const wholeFile = "filter.json"

// CompileFilter needs libseccomp.
func CompileFilter(*specs.LinuxSeccomp) ([]seccomp.Instruction, error) {
	return nil, problem.New("use a safe-run that was built with it", "this safe-run was built without libseccomp, which compiles filters")
}

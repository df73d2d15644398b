package cli

import (
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// explainExec gives a program that lies on a noexec mount the hint that helps:
// to the kernel (execve(2), EACCES) it looks as if it were not executable.
func explainExec(plan *spec.Plan, err error) error {
	var failed *runc.ExecError
	if !errors.As(err, &failed) || failed.NotFound {
		return err
	}
	target, bind, found := noexecMount(plan, failed.Program)
	switch {
	case !found:
		return err
	case bind:
		return problem.New("programs are run from it with :exec, as in -v HOST:"+target+":exec", "%w: %s is mounted noexec", err, target)
	}
	return problem.New("run it from the image, or from memory that may hold programs: --tmpfs "+target+":exec",
		"%w: %s is mounted noexec", err, target)
}

// noexecMount finds the mount that program lies on, if it is noexec, and
// whether it is one of the host's directories.
func noexecMount(plan *spec.Plan, program string) (target string, bind, found bool) {
	if !strings.Contains(program, "/") {
		return "", false, false // looked up in PATH
	}
	if !path.IsAbs(program) {
		program = path.Join(plan.OCI.Process.Cwd, program)
	}
	program = path.Clean(program)
	for _, m := range plan.OCI.Mounts {
		below := program == m.Destination || strings.HasPrefix(program, m.Destination+"/")
		if below && len(m.Destination) >= len(target) {
			target, bind, found = m.Destination, m.Type == "bind", slices.Contains(m.Options, "noexec")
		}
	}
	return target, bind, found
}

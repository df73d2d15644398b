package cli

import (
	"errors"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

func TestExplainExec(t *testing.T) {
	plan := &spec.Plan{OCI: &specs.Spec{
		Process: &specs.Process{Cwd: "/job"},
		Mounts: []specs.Mount{
			{Destination: "/job", Type: "bind", Options: []string{"bind", "noexec"}},
			{Destination: "/job/bin", Type: "bind", Options: []string{"bind"}},
			{Destination: "/tmp", Type: "tmpfs", Options: []string{"noexec"}},
		},
	}}
	for program, hint := range map[string]string{
		"./a.out":    "-v HOST:/job:exec",
		"/job/a.out": "-v HOST:/job:exec",
		"../tmp/x":   "--tmpfs /tmp:exec",
		"bin/tool":   "",
		"/jobs/x":    "",
		"/usr/bin/x": "",
		"tool":       "",
	} {
		failed := &runc.ExecError{Program: program, Reason: "permission denied"}
		err := launcherError(explainExec(plan, failed))
		if exitCode(err, 0) != 126 {
			t.Errorf("%s: exit code %d, want 126", program, exitCode(err, 0))
		}
		got := problem.HintOf(err)
		if hint == "" {
			hint = "executable bit"
		}
		if !strings.Contains(got, hint) {
			t.Errorf("%s: hint %q, want %q", program, got, hint)
		}
	}
	missing := &runc.ExecError{Program: "/job/x", NotFound: true}
	if err := explainExec(plan, missing); !errors.Is(err, missing) || problem.HintOf(err) != "" {
		t.Errorf("a program that is not there: %v, hint %q", err, problem.HintOf(err))
	}
}

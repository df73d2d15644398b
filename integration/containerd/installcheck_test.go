package containerd

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	writer "github.com/safe-run/safe-run/sandbox/install"
	"github.com/safe-run/safe-run/spec/problem"
)

// TestInstallCheck: install's test container runs under a containerd that
// answers, and finds out a runtime that does not work; nothing of it is left.
func TestInstallCheck(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(*testing.T) *engine
	}{
		{"2.4", func(t *testing.T) *engine { return newEngine(t, "") }},
		{"Debian's", olderEngine},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := c.make(t)
			t.Setenv("PATH", e.tools+":"+os.Getenv("PATH"))
			t.Setenv("CONTAINERD_ADDRESS", e.dir+"/s")
			got, err := writer.Check{Engine: "containerd", Program: shimBin}.Run(context.Background())
			must(t, err)
			if text := strings.Join(got.Held, "\n"); len(got.Held) != 2 || !strings.Contains(text, "containerd ran a container by "+shimBin+"\n") || !strings.Contains(text, "which its policy refuses") {
				t.Errorf("held:\n%s", text)
			}
			if len(got.Left) != 1 || !strings.Contains(got.Left[0], "restart containerd") {
				t.Errorf("left: %q", got.Left)
			}
			broken := e.write("broken", "#!/bin/sh\necho it is broken >&2\nexit 1\n")
			must(t, os.Chmod(broken, 0o755))
			if got, err := (writer.Check{Engine: "containerd", Program: broken}).Run(context.Background()); err == nil || !strings.Contains(err.Error(), "it is broken") || !strings.Contains(problem.HintOf(err), "--undo") {
				t.Errorf("a broken one: %+v, %v", got, err)
			}
			if _, err := os.Stat("/run/safe-run/pods/safe-run-check"); err == nil {
				t.Error("what was refused to the test container is left")
			}
			if out := e.must("namespaces", "ls", "-q"); strings.Contains(out, "safe-run-check") {
				t.Errorf("namespaces:\n%s", out)
			}
			if left, _ := filepath.Glob("/sys/fs/cgroup/*/safe-run-check"); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
			t.Setenv("CONTAINERD_ADDRESS", e.dir+"/nobody")
			if got, err := (writer.Check{Engine: "containerd", Program: shimBin}).Run(context.Background()); err != nil || len(got.Held) > 0 || len(got.Left) != 1 || !strings.Contains(got.Left[0], "does not answer") {
				t.Errorf("nobody there: %+v, %v", got, err)
			}
		})
	}
}

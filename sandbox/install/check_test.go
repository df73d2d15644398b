package install_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/sandbox/install"
)

// TestCheckJudges: what an engine answers is a container that ran, a refusal by
// the policy, or a failure; and an engine that is not there is none that fails.
func TestCheckJudges(t *testing.T) {
	const refusal = `echo "the bundle asks for user root, which profile default does not allow" >&2; exit 1`
	for _, c := range []struct {
		name, engine, script string
		held, left, err      string
	}{
		{"it runs", "podman", `exit 0`, "whose policy lets it be root", "", ""},
		{"it runs and must not", "podman", `exit 0`, "", "", "nothing holds it to the policy"},
		{"containerd runs what must not", "ctr", `exit 0`, "containerd ran a container by PROGRAM", "restart containerd", "nothing holds it to the policy"},
		{"it is refused", "podman", `case $* in *run*) ` + refusal + `;; esac`, "which its policy refuses", "", ""},
		{"it fails", "podman", `case $* in *run*) echo "no such runtime" >&2; exit 125;; esac`, "", "", "no such runtime"},
		{"it is not there", "podman", `echo "cannot connect" >&2; exit 1`, "", "podman does not answer (exit status 1: cannot connect)", ""},
		{"docker has not reloaded", "docker", `echo runc io.containerd.runc.v2`, "", "systemctl reload docker", ""},
		{"docker runs it", "docker", `echo "$*" >> LOG; case $1 in info) echo runc saferun;; run) ` + refusal + `;; esac`, "which its policy refuses", "", ""},
		{"an import fails", "docker", `case $1 in info) echo saferun;; import) echo "disk full" >&2; exit 1;; esac`, "", "", "disk full"},
		{"containerd runs both", "ctr", `case $* in *-policy*) ` + refusal + `;; esac`, "containerd ran a container by PROGRAM\ncontainerd asked", "restart containerd", ""},
		{"containerd runs none", "ctr", `case $* in *run*) echo "shim exploded" >&2; exit 1;; esac`, "", "", "shim exploded"},
		{"CRI-O", "crio", `exit 1`, "", "crictl run --runtime saferun", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			program, log := filepath.Join(dir, "runtime"), filepath.Join(dir, "log")
			for name, script := range map[string]string{"runtime": "", c.engine: strings.ReplaceAll(c.script, "LOG", log)} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			t.Setenv("TMPDIR", dir)
			engine := c.engine
			if engine == "ctr" {
				engine = "containerd"
			}
			got, err := install.Check{Engine: engine, Program: program, Refuses: strings.Contains(c.name, "must not")}.Run(context.Background())
			held, left := strings.Join(got.Held, "\n"), strings.Join(got.Left, "\n")
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v", err)
			}
			if want := strings.ReplaceAll(c.held, "PROGRAM", program); (want == "") != (held == "") || !strings.Contains(held, want) {
				t.Errorf("held %q", held)
			}
			if (c.left == "") != (left == "") || !strings.Contains(left, c.left) {
				t.Errorf("left %q", left)
			}
			if kept, _ := filepath.Glob(dir + "/safe-run-check*"); len(kept) > 0 {
				t.Errorf("left behind: %q", kept)
			}
			if calls, err := os.ReadFile(log); err == nil && !strings.Contains(string(calls), "\nrmi safe-run-check:") {
				t.Errorf("its image stays: %s", calls)
			}
		})
	}
}

package doctor

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/audit/host"
)

// tree makes files below a directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, content := range files {
		full := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestLook(t *testing.T) {
	root := tree(t, map[string]string{
		"proc/sys/kernel/kptr_restrict": "2\n", "proc/sys/kernel/yama/ptrace_scope": "1\n",
		"proc/self/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,favordynmods 0 0\n",
		"etc/subuid":       "# none\nsafe-run:5000:65536\nx:1:2\nbroken:y:z\n:::\n",
		"etc/passwd":       "root:x:0:0::/:/bin/sh\nin:x:5001:5001::/:/bin/sh\nout:x:4999:1::/:\nbad:x:many:1::/:\n",
		"etc/group":        "docker:x:999:root,a,b\n",
		"run/docker.sock":  "",
	})
	if os.Geteuid() == 0 {
		if err := os.Chown(filepath.Join(root, "run/docker.sock"), 0, 999); err != nil {
			t.Fatal(err)
		}
	}
	bin := tree(t, map[string]string{"runc": "#!/bin/sh\necho runc version 1.2.3\necho more\n", "crun": "#!/bin/sh\nexit 3\n"})
	f := Look(context.Background(), Where{Root: root, Path: bin + ":relative"}, spec.Host{IDs: spec.IDRange{First: 5000, Count: 65536}})
	if d := cmp.Diff(map[string]string{"kernel.kptr_restrict": "2", "kernel.yama.ptrace_scope": "1"}, f.Sysctls); d != "" {
		t.Errorf("sysctls (-want +got):\n%s", d)
	}
	if f.Favordynmods != spec.Yes {
		t.Errorf("favordynmods is %s", f.Favordynmods)
	}
	if d := cmp.Diff([]host.SubID{{File: "/etc/subuid", Owner: "safe-run", First: 5000, Count: 65536}, {File: "/etc/subuid", Owner: "x", First: 1, Count: 2}}, f.SubIDs); d != "" {
		t.Errorf("sub ids (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"in"}, f.Accounts); d != "" {
		t.Errorf("accounts (-want +got):\n%s", d)
	}
	want := []host.Runtime{
		{Name: "runc", Path: filepath.Join(bin, "runc"), Version: "runc version 1.2.3"},
		{Name: "crun", Path: filepath.Join(bin, "crun"), Problem: filepath.Join(bin, "crun") + " --version: exit status 3"},
	}
	if d := cmp.Diff(want, f.Runtimes); d != "" {
		t.Errorf("runtimes (-want +got):\n%s", d)
	}
	if os.Geteuid() == 0 {
		if s := f.Sockets[0]; s.Missing || s.Group != "docker" || len(s.Members) != 2 {
			t.Errorf("docker's socket: %+v", s)
		}
	}
	if !f.Sockets[1].Missing || !f.Dirs[0].Missing {
		t.Errorf("what is not there: %+v, %+v", f.Sockets[1], f.Dirs[0])
	}
}

// TestEmpty: a host on which nothing can be read is no error.
func TestEmpty(t *testing.T) {
	f := Look(context.Background(), Where{Root: t.TempDir()}, spec.Host{})
	if len(f.Sysctls)+len(f.SubIDs)+len(f.Runtimes) != 0 || f.Favordynmods != spec.Unknown {
		t.Errorf("of nothing was seen %+v", f)
	}
}

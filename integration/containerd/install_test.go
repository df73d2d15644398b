package containerd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/install"
)

// TestInstalled: containerd has the runtimes that install writes, and everything
// that its main file said before.
func TestInstalled(t *testing.T) {
	if out, err := built(); err != nil {
		t.Skipf("NOT CHECKED: that containerd reads what install writes; it could not be built: %v\n%s", err, out)
	}
	const older = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"/mine/cni\"\n" +
		"[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.kata]\nruntime_type = \"io.containerd.kata.v2\"\n"
	const newer = "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.cni]\nbin_dirs = [\"/mine/cni\"]\n" +
		"[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.kata]\nruntime_type = \"io.containerd.kata.v2\"\n"
	for _, c := range []struct {
		name, main string
		version    int
		want       []string
	}{
		{"a shim beside version 3", newer, 0, []string{"runtimes.saferun]", "runtimes.saferun-web]", "/opt/bin/containerd-shim-saferun-v2"}},
		{"a shim beside version 2", older, 3, []string{"runtimes.saferun]", "runtimes.saferun-web]", "/opt/bin/containerd-shim-saferun-v2"}},
		{"runc's shim", older, 0, []string{"runtimes.saferun]", "/opt/bin/safe-run-oci"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			plan, err := install.Make(install.Input{
				Engine: "containerd", Bin: "/opt/bin", Usual: []string{"web"}, ConfigVersion: c.version, Existing: []byte(c.main),
			})
			must(t, err)
			for _, f := range plan.Files {
				path := filepath.Join(dir, f.Path)
				must(t, os.MkdirAll(filepath.Dir(path), 0o755))
				text := strings.ReplaceAll(string(f.Data), "/etc/containerd/", dir+"/etc/containerd/")
				must(t, os.WriteFile(path, []byte(text), 0o644))
			}
			programs := []string{filepath.Join(tools, "containerd")}
			// Debian's is 1.6, for which the shim is not.
			if older, err := exec.LookPath("containerd"); err == nil && strings.HasSuffix(plan.Program, "/safe-run-oci") {
				programs = append(programs, older)
			}
			for _, program := range programs {
				out, err := exec.Command(program, "--config", dir+install.Existing("containerd"), "config", "dump").CombinedOutput()
				must(t, err)
				for _, want := range append(c.want, "/mine/cni", "runtimes.kata]") {
					if !strings.Contains(string(out), want) {
						t.Errorf("there is no %s in\n%s", want, out)
					}
				}
			}
		})
	}
}

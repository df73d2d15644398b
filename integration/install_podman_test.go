package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	writer "github.com/safe-run/safe-run/sandbox/install"
	"github.com/safe-run/safe-run/spec/install"
)

// TestInstallPodman: podman takes what install writes, beside the runtimes that
// it has, and runs a container with it.
func TestInstallPodman(t *testing.T) {
	p := newPodman(t)
	own := p.runtime
	plan, err := install.Make(install.Input{Engine: "podman", Bin: filepath.Dir(own)})
	must(t, err)
	root := t.TempDir()
	tree, err := writer.Open(root)
	must(t, err)
	defer tree.Close()
	changes, err := tree.Changes("podman", plan.Files)
	must(t, err)
	must(t, tree.Install("podman", changes))
	dropIn, err := os.ReadFile(filepath.Join(root, "etc/containers/containers.conf.d/50-safe-run.conf"))
	must(t, err)
	// A file that CONTAINERS_CONF names stands for all others.
	conf := filepath.Join(p.dir, "containers.conf")
	limits, err := os.ReadFile(conf)
	must(t, err)
	run := []string{"run", "--network", "none", "--name", "installed", "--cgroup-parent", p.group, localImage, "sh", "-c", "exit 7"}
	p.runtime = install.Runtime
	if code, out := p.call(run...); code == 7 {
		t.Fatalf("podman has a runtime %s without it: %s", p.runtime, out)
	}
	awaitIdle(t, p.dir)
	must(t, os.WriteFile(conf, append(limits, dropIn...), 0o644))
	code, out := p.call(run...)
	awaitIdle(t, p.dir)
	_, used := p.call("inspect", "-f", "{{.OCIRuntime}} {{.OCIConfigPath}}", "installed")
	if code != 7 || !strings.HasPrefix(used, install.Runtime+" ") {
		t.Errorf("exit %d: %s; its runtime is %q", code, out, used)
	}
	if code, out := p.call("rm", "-f", "installed"); code != 0 {
		t.Errorf("rm: %s", out)
	}
	if code, out := p.call("info", "-f", "{{.Host.OCIRuntime.Path}}"); code != 0 || strings.TrimSpace(out) != own {
		t.Errorf("podman starts %q, not %s", out, own)
	}
}

package containerd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/cmd/policies"
)

// TestDeploy: what is under deploy is taken by containerd and by the shim, and
// each RuntimeClass has a runtime.
func TestDeploy(t *testing.T) {
	e := newEngine(t, "")
	dropIn, err := filepath.Abs("../../deploy/containerd/saferun.toml")
	must(t, err)
	config := e.write("config.toml", "version = 3\nimports = [\""+dropIn+"\"]\n")
	out, err := exec.Command(filepath.Join(tools, "containerd"), "--config", config, "config", "dump").CombinedOutput()
	must(t, err)
	classes, err := os.ReadFile("../../deploy/containerd/runtimeclass.yaml")
	must(t, err)
	handlers := regexp.MustCompile(`(?m)^handler: (\S+)$`).FindAllStringSubmatch(string(classes), -1)
	if len(handlers) != 2 {
		t.Errorf("handlers %q", handlers)
	}
	for _, h := range handlers {
		if !strings.Contains(string(out), ".runtimes."+h[1]+"]") {
			t.Errorf("containerd has no runtime %s", h[1])
		}
	}
	policy, err := os.ReadFile("../../deploy/containerd/shim.yaml")
	must(t, err)
	if c, err := policies.ParseBundleConfig(policies.Shim, policy); err != nil || c.Profile != "default" || len(c.Allow) != 3 {
		t.Errorf("%+v, %v", c, err)
	}
}

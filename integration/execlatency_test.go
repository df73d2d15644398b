package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/integration/leaks"
)

// TestExecLatency joins two containers in turns, one of safe-run's and one that
// runc made from the same plan, and says how long either takes. RUNC names the
// runc to compare with.
func TestExecLatency(t *testing.T) {
	needRoot(t)
	runc, err := exec.LookPath(either(os.Getenv("RUNC"), "runc"))
	if err != nil {
		t.Skip("NOT CHECKED against runc: it is not installed")
	}
	leaks.Check(t)
	r, container := named(t)
	name := bundled(t, runc)
	const rounds = 60
	var own, other []time.Duration
	for range rounds {
		own = append(own, timed(t, launcher(t, "exec", container, "/peek", "id")))
		other = append(other, timed(t, exec.Command(runc, "exec", name, "/peek", "id")))
	}
	slices.Sort(own)
	slices.Sort(other)
	a, b := own[rounds/2], other[rounds/2]
	t.Logf("exec: %v, %s exec: %v, ratio %.2f", a, runc, b, float64(a)/float64(b))
	// What is promised is 1; the rest is for a machine that does other things.
	if float64(a) > 1.3*float64(b) {
		t.Errorf("exec takes %v, runc's %v", a, b)
	}
	r.end(t, syscall.SIGTERM)
}

func either(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func timed(t *testing.T, cmd *exec.Cmd) time.Duration {
	t.Helper()
	begun := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "65532:65532" {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return time.Since(begun)
}

// bundled starts a container with runc from the plan that safe-run would use.
func bundled(t *testing.T, runc string) string {
	t.Helper()
	var config map[string]any
	got := safeRun(t, "spec", "dir:"+built(t).root, "/peek", "sleep", "5m")
	if err := json.Unmarshal([]byte(got.out), &config); err != nil {
		t.Fatalf("%v\n%s%s", err, got.out, got.err)
	}
	name, bundle := fmt.Sprintf("latency-%d", os.Getpid()), t.TempDir()
	// The container's root, already a user without rights, walks to its files.
	for dir := built(t).root; dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&1 == 0 {
			if err := os.Chmod(dir, info.Mode()|0o011); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, dir := range []string{"proc", "sys", "dev", "run"} {
		if err := os.MkdirAll(filepath.Join(built(t).root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config["root"] = map[string]any{"path": built(t).root, "readonly": true}
	config["linux"].(map[string]any)["cgroupsPath"] = "/" + name
	data, err := json.Marshal(config)
	if err == nil {
		err = os.WriteFile(filepath.Join(bundle, "config.json"), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(runc, "run", "-d", "--bundle", bundle, name)
	log, err := os.Create(filepath.Join(bundle, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(log.Name())
		t.Fatalf("%v: %v\n%s", cmd.Args, err, said)
	}
	t.Cleanup(func() {
		if out, err := exec.Command(runc, "delete", "-f", name).CombinedOutput(); err != nil {
			t.Errorf("runc delete: %v\n%s", err, out)
		}
	})
	return name
}

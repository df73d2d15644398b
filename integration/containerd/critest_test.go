package containerd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// suites is where critest and the tests of containerd's client are; they take
// minutes to build, and minutes to run.
func suites(t *testing.T, what string) string {
	t.Helper()
	dir := os.Getenv("SAFE_RUN_SUITES")
	if dir == "" {
		t.Skipf("NOT CHECKED: %s: it takes minutes; make test-critest runs it", what)
	}
	if out, err := exec.Command("./suites.sh", dir).CombinedOutput(); err != nil {
		t.Skipf("NOT CHECKED: %s: it could not be built: %v\n%s", what, err, out)
	}
	return dir
}

const criTools = "critest-1.36.0/critest"

// notShims are the specs in which no shim has a part: they pull from registries
// that are not there.
const notShims = `Image Manager|Image Consistency|Image Identifier Consistency`

// runcRuntime is a runtime of runc's shim. Ours beside it has the profile "none",
// which holds containers to nothing but the floor: what is compared is how they
// are run.
const runcRuntime = `
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = %q
`

// TestCritest: what Kubernetes asks of a runtime, of runc's shim and of ours.
func TestCritest(t *testing.T) {
	dir := suites(t, "critest with runc's shim and with ours")
	inNetwork(t)
	e := newEngine(t, withPods+fmt.Sprintf(runcRuntime, filepath.Join(dir, "runc-v1.5.2/runc"))+fmt.Sprintf(namedRuntime, "saferun", shimBin, "none"))
	network := fmt.Sprintf(`{"cniVersion": "1.0.0", "name": "t", "plugins": [
		{"type": "ptp", "ipam": {"type": "host-local", "subnet": "10.213.8.0/24", "routes": [{"dst": "0.0.0.0/0"}], "dataDir": %q}},
		{"type": "portmap", "capabilities": {"portMappings": true}, "snat": true}]}`, e.dir+"/ipam")
	must(t, os.MkdirAll(e.dir+"/cni", 0o755))
	must(t, os.WriteFile(e.dir+"/cni/10-t.conflist", []byte(network), 0o644))
	e.client = "k8s.io"
	e.standIns()
	theirs, ours := e.critest(filepath.Join(dir, criTools), "runc"), e.critest(filepath.Join(dir, criTools), "saferun")
	compare(t, theirs, ours)
}

// inNetwork moves the test, and all that it starts, into a network of its own.
func inNetwork(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // for good: the thread ends with the test
	must(t, syscall.Unshare(syscall.CLONE_NEWNET))
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// standIns imports the images that critest would fetch.
func (e *engine) standIns() {
	e.t.Helper()
	root := e.rootfs()
	for _, dir := range []string{"usr/bin", "usr/sbin", "sbin", "var/run"} {
		must(e.t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	must(e.t, os.Chmod(root+"/tmp", 0o777|os.ModeSticky))
	e.applets(root)
	must(e.t, os.WriteFile(root+"/etc/passwd", []byte("root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\ndefault-user:x:1000:1000::/:/bin/sh\n"), 0o644))
	must(e.t, os.WriteFile(root+"/etc/group", []byte("root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\ndefault-user:x:1000:\ngroup-defined-in-image:x:50000:default-user\n"), 0o644))
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", root+"/bin/nginx", "./standin")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		e.t.Fatalf("%v: %s", err, out)
	}
	must(e.t, os.Chmod(root+"/bin/nginx", 0o755|os.ModeSetuid))
	// Debian's busybox has its own httpd, and is without two that are asked for.
	must(e.t, os.RemoveAll(root+"/bin/httpd"))
	must(e.t, os.Link(root+"/bin/nginx", root+"/bin/httpd"))
	must(e.t, os.Link(root+"/bin/nginx", root+"/bin/nnp"))
	must(e.t, os.WriteFile(root+"/bin/ipcs", []byte("#!/bin/sh\nexec cat /proc/sysvipc/shm\n"), 0o755))
	must(e.t, os.WriteFile(root+"/bin/pgrep", []byte("#!/bin/sh\nexec pidof \"$1\"\n"), 0o755))
	path := []string{"PATH=/bin"}
	sleeps := []string{"/bin/sleep", "1000000"}
	const e2e, staging = "registry.k8s.io/e2e-test-images/", "gcr.io/k8s-staging-cri-tools/"
	for name, config := range map[string]v1.Config{
		"registry.invalid/busybox:1":                      {Cmd: sleeps},
		e2e + "busybox:1.29-2":                            {Cmd: []string{"sh"}},
		e2e + "nginx:1.14-2":                              {Entrypoint: []string{"nginx", "master process"}, Env: []string{"PORT=80"}},
		e2e + "httpd:2.4.39-4":                            {Entrypoint: []string{"httpd"}, Env: []string{"PORT=80"}},
		e2e + "nonewprivs:1.3":                            {Entrypoint: []string{"nnp"}},
		staging + "hostnet-nginx-amd64:latest":            {Entrypoint: []string{"nginx", "master process"}, Env: []string{"PORT=12003"}},
		staging + "test-image-predefined-group:latest":    {Cmd: []string{"sh"}, User: "1000"},
		staging + "test-image-user-uid:latest":            {Cmd: []string{"sh"}, User: "1002"},
		staging + "test-image-user-username:latest":       {Cmd: []string{"sh"}, User: "www-data"},
		staging + "test-image-user-uid-group:latest":      {Cmd: []string{"sh"}, User: "1003:root"},
		staging + "test-image-user-username-group:latest": {Cmd: []string{"sh"}, User: "www-data:100"},
	} {
		e.imported(name, root, func(c *v1.Config) {
			*c = config
			c.Env = append(c.Env, path...)
		})
	}
}

// verdicts are what came of each test of a suite, with what failed.
type verdicts struct {
	passed, skipped []string
	failed          map[string]string
}

func (v verdicts) String() string {
	return fmt.Sprintf("%d of %d passed, %d skipped", len(v.passed), len(v.passed)+len(v.failed), len(v.skipped))
}

// suiteTime bounds a suite, on a machine that has other work.
const suiteTime = 15 * time.Minute

func (e *engine) critest(program, handler string) verdicts {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), suiteTime)
	defer cancel()
	report := filepath.Join(e.dir, handler+".json")
	cmd := exec.CommandContext(ctx, "nice", "-n", "5", program, "--runtime-endpoint", "unix://"+e.dir+"/s", "--runtime-handler", handler,
		"--ginkgo.skip", notShims, "--ginkgo.json-report", report, "--ginkgo.no-color", "--ginkgo.seed", "1")
	cmd.Dir = e.dir
	out, err := cmd.CombinedOutput()
	data, failed := os.ReadFile(report)
	if failed != nil {
		e.t.Fatalf("critest with %s: %v, %v\n%s", handler, err, failed, out)
	}
	var suites []struct {
		SpecReports []struct {
			ContainerHierarchyTexts           []string
			LeafNodeText, LeafNodeType, State string
			Failure                           struct{ Message string }
		}
	}
	must(e.t, json.Unmarshal(data, &suites))
	v := verdicts{failed: map[string]string{}}
	for _, suite := range suites {
		for _, spec := range suite.SpecReports {
			name := strings.Join(append(spec.ContainerHierarchyTexts, spec.LeafNodeText), " ")
			switch {
			case spec.LeafNodeType != "It":
			case spec.State == "passed":
				v.passed = append(v.passed, name)
			case spec.State == "skipped" || spec.State == "pending":
				v.skipped = append(v.skipped, name)
			default:
				v.failed[name] = spec.Failure.Message
			}
		}
	}
	return v
}

// compare holds ours to what theirs passes, and says what neither does.
func compare(t *testing.T, theirs, ours verdicts) {
	t.Helper()
	t.Logf("runc's shim: %s", theirs)
	t.Logf("safe-run's:  %s", ours)
	if len(theirs.passed) == 0 {
		t.Error("runc's shim passes nothing: there is nothing to compare with")
	}
	for name, why := range theirs.failed {
		t.Logf("runc's shim fails %s: %s", name, why)
	}
	for _, name := range theirs.passed {
		if why, fails := ours.failed[name]; fails {
			t.Errorf("runc's shim passes and ours fails %s: %s", name, why)
		} else if !slices.Contains(ours.passed, name) {
			t.Errorf("runc's shim passes and ours skips %s", name)
		}
	}
	for name, why := range ours.failed {
		if _, both := theirs.failed[name]; both {
			t.Logf("ours fails, too, %s: %s", name, why)
		}
	}
}

package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

func TestPlanIsKept(t *testing.T) {
	dir := t.TempDir()
	plan := &spec.Plan{Profile: "p", RootAllowed: true, OCI: &specs.Spec{
		Process: &specs.Process{Env: []string{"SECRET=1"}},
		Linux:   &specs.Linux{Resources: &specs.LinuxResources{}, Seccomp: &specs.LinuxSeccomp{}},
	}}
	if err := keepPlan(dir, plan, []spec.Port{{HostPort: 7}}); err != nil {
		t.Fatal(err)
	}
	if plan.OCI.Linux.Seccomp == nil || plan.Network.Publish != nil {
		t.Error("the plan itself was changed")
	}
	info, err := os.Stat(filepath.Join(dir, planFile))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
	got, err := readPlan(dir)
	if err != nil || got.Profile != "p" || !got.RootAllowed || got.OCI.Linux.Seccomp != nil || got.Network.Publish[0].HostPort != 7 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, damaged := range []string{"", "{", "{}", "null", `{"oci":{}}`, `{"oci":{"process":{},"linux":{}}}`, strings.Repeat(" ", mostPlan+1)} {
		if err := os.WriteFile(filepath.Join(dir, planFile), []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readPlan(dir); err == nil {
			t.Errorf("%.40q: %+v", damaged, got)
		}
	}
}

// TestOpenBelow: no link leads out of a container's root.
func TestOpenBelow(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{filepath.Join(outside, "passwd"): "host", filepath.Join(dir, "passwd"): "container"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"absolute": "/passwd", "up": "../../../../../passwd", "host": filepath.Join(outside, "passwd"), "magic": "/proc/self/root/etc/passwd", "loop": "loop",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, want := range map[string]string{
		"passwd": "container", "absolute": "container", "up": "container", "../passwd": "container", "/passwd": "container",
		"host": "", "magic": "", "loop": "", "missing": "",
	} {
		f, err := openBelow(root, name, unix.O_RDONLY, 0)
		text := ""
		if err == nil {
			data := make([]byte, 20)
			n, _ := f.Read(data)
			text = string(data[:n])
			f.Close()
		}
		var path *os.PathError
		if text != want || (want == "" && !errors.As(err, &path)) {
			t.Errorf("%s: %q, %v; want %q", name, text, err, want)
		}
	}
}

func TestHostID(t *testing.T) {
	maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 1000}, {ContainerID: 5000, HostID: 7, Size: 1}}
	for id, want := range map[uint32]int{0: 100000, 999: 100999, 1000: 1000, 5000: 7, 5001: 5001} {
		if got := hostID(maps, id); got != want {
			t.Errorf("%d: %d, want %d", id, got, want)
		}
	}
	if got := hostID(nil, 33); got != 33 {
		t.Errorf("without a user namespace: %d", got)
	}
}

// TestUnknown: a container that nobody knows is told from one that is meant by
// too little.
func TestUnknown(t *testing.T) {
	t.Setenv("SAFE_RUN_LEDGER", t.TempDir())
	_, err := OpenLive(t.TempDir(), "nobody")
	if !IsNotFound(err) || !strings.Contains(err.Error(), `no container "nobody"`) {
		t.Errorf("%v", err)
	}
	if IsNotFound(notRunning("x")) || IsNotFound(nil) {
		t.Error("one that does not run is known all the same")
	}
}

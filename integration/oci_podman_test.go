package integration

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/probe"
	"github.com/safe-run/safe-run/spec"
)

// podman is one with a store of its own, whose runtime is safe-run-oci.
type podman struct{ dir, runtime, group string }

// localImage is the image of its store.
const localImage = "localhost/local:1"

func newPodman(t *testing.T) podman {
	t.Helper()
	needRoot(t)
	needPrograms(t, "podman")
	dir := patientDir(t)
	p := podman{dir, safeRunOCI(t), "/test-podman-" + filepath.Base(dir)}
	t.Cleanup(func() { removeGroups(t, p.group) })
	// Not more files than this process may have itself.
	conf := "[containers]\ndefault_ulimits = [\"nofile=256:256\", \"nproc=256:256\"]\n"
	must(t, os.WriteFile(filepath.Join(dir, "containers.conf"), []byte(conf), 0o644))
	busyboxRoot(t, filepath.Join(dir, "root"))
	archive := filepath.Join(dir, "image.tar")
	mustRun(t, "tar", "-C", filepath.Join(dir, "root"), "-cf", archive, ".")
	if code, out := p.call("import", "-q", archive, localImage); code != 0 {
		t.Fatalf("import: %s", out)
	}
	return p
}

func (p podman) call(args ...string) (int, string) {
	cmd := exec.Command("podman", append([]string{
		"--root", filepath.Join(p.dir, "store"), "--runroot", filepath.Join(p.dir, "run"), "--storage-driver", "vfs",
		"--cgroup-manager", "cgroupfs", "--events-backend", "file", "--runtime", p.runtime,
	}, args...)...)
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+filepath.Join(p.dir, "containers.conf"))
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}

// TestOCIPodman: Debian's podman runs containers with safe-run-oci.
func TestOCIPodman(t *testing.T) {
	p := newPodman(t)
	run := []string{"run", "--rm", "--network", "none", "--cgroup-parent", p.group, localImage}
	// Of default, without root and with ids that are nobody's, as it wants them.
	met := []string{"--annotation", "safe-run.dev/profile=default", "--uidmap", "0:2147352576:65536", "--gidmap", "0:2147352576:65536"}
	for _, c := range []struct {
		flags, args []string
		code        int
		want        string
	}{
		{nil, []string{"sh", "-c", "id -u; exit 3"}, 3, "0\n"},
		{nil, []string{"/nope"}, 127, "no such file"},
		{met[:2], []string{"true"}, 126, "user namespace"},
		{met, []string{"true"}, 126, "user root"},
		{append(met, "--user", "1000:1000"), []string{"sh", "-c", lookAround}, 1, confined},
	} {
		if code, out := p.call(slices.Concat(run[:len(run)-1], c.flags, run[len(run)-1:], c.args)...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%q: %d, %s", c.args, code, out)
		}
		// Each podman sets up its store anew, and takes away meanwhile what lets
		// another user in.
		awaitIdle(t, p.dir)
	}
	t.Cleanup(func() { p.call("rm", "-f", "-t", "0", "box") })
	detached := slices.Concat([]string{"run", "-d", "--name", "box", "--network", "none", "--cgroup-parent", p.group}, met, []string{"--user", "1000:1000", localImage, "sleep", "600"})
	if code, out := p.call(detached...); code != 0 {
		t.Fatalf("%d, %s", code, out)
	}
	if code, out := p.call("exec", "box", "sh", "-c", lookIntoFirst+"; cat /etc/hosts >/dev/null && echo x >/dev/null && echo x >/tmp/x && echo usual"); probe.Host().Landlock >= spec.LandlockSince && (code != 0 || out != "refused\nusual\n") {
		t.Errorf("Landlock of an exec: %d, %s", code, out)
	}
}

// TestOCIPod: the containers of a pod share the namespaces of its first one.
func TestOCIPod(t *testing.T) {
	p := newPodman(t)
	t.Cleanup(func() { p.call("pod", "rm", "-f", "-t", "0", "pod") })
	const run = "run -d --pod pod "
	for _, step := range []struct {
		line string
		code int
		want string
	}{
		{"pod create --name pod --cgroup-parent " + p.group + " --network none --infra-image " + localImage + " --infra-command '/bin/sleep 600'", 0, ""},
		{run + "--name one " + localImage + " sleep 600", 0, ""},
		{run + "--name two " + localImage + " sleep 600", 0, ""},
		{"exec two sh -c 'exit 7'", 7, ""},
		{"exec --user 1000 two id -u", 0, "1000"},
		{"exec two /nope", 127, "no such file"},
		{"pause two", 0, ""},
		{"inspect -f '{{.State.Status}} {{.OCIRuntime}}' two", 0, "paused " + p.runtime},
		{"unpause two", 0, ""},
		{"kill two", 0, ""},
		{"wait two", 0, "137"},
		{"pod stop -t 0 pod", 0, ""},
		{"rm one two", 0, ""},
	} {
		if code, out := p.call(words(step.line)...); code != step.code || !strings.Contains(out, step.want) {
			t.Errorf("podman %s: exit code %d, %s", step.line, code, out)
		}
	}
}

// patientDir is a temporary directory that is removed once nobody works there
// any more: podman's monitor outlives podman, and tidies up meanwhile.
func patientDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "integration-podman-")
	must(t, err)
	must(t, os.Chmod(dir, 0o755)) // a container's root may be another user than this one
	t.Cleanup(func() {
		awaitIdle(t, dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// awaitIdle waits until what tidies up behind podman's back has ended.
func awaitIdle(t *testing.T, dir string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		busy := busyIn(dir)
		if len(busy) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("still there after 30 s: %q", busy)
			return
		}
	}
}

// busyIn are the processes that have a directory on their command line.
func busyIn(dir string) []string {
	var found []string
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		if line, _ := os.ReadFile(path); bytes.Contains(line, []byte(dir)) {
			found = append(found, string(line))
		}
	}
	return found
}

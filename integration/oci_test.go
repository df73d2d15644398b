package integration

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/sandbox/probe"
	"github.com/safe-run/safe-run/spec"
)

// bundle is a bundle with a shell, and where a runtime keeps what it makes of it.
type bundle struct {
	runtime, dir, state string
	oci                 *specs.Spec
}

func newBundle(t *testing.T, runtime string) *bundle {
	t.Helper()
	needRoot(t)
	b := &bundle{runtime: runtime, dir: t.TempDir()}
	b.state = filepath.Join(b.dir, "state")
	// The container's root may be another user than this one.
	for dir := b.dir; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	busyboxRoot(t, filepath.Join(b.dir, "rootfs"))
	b.must(t, "spec", "--bundle", b.dir)
	data, err := os.ReadFile(filepath.Join(b.dir, "config.json"))
	if err == nil {
		err = json.Unmarshal(data, &b.oci)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.oci.Process.Terminal = false
	// Without a path of their own two containers of one name share a group.
	b.oci.Linux.CgroupsPath = "/test-" + filepath.Base(runtime) + "-" + strconv.Itoa(os.Getpid())
	t.Cleanup(func() {
		// Without a container there is no directory to list.
		_, ids, _ := b.call("list", "-q")
		for _, id := range strings.Fields(ids) {
			b.call("delete", "--force", id)
		}
	})
	return b
}

// busyboxRoot makes a root filesystem of Debian's static busybox.
func busyboxRoot(t *testing.T, root string) {
	t.Helper()
	program, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Skip("NOT CHECKED: containers from bundles: there is no static busybox to put into one: ", err)
	}
	err = os.MkdirAll(filepath.Join(root, "bin"), 0o755)
	err = errors.Join(err, os.WriteFile(filepath.Join(root, "bin/busybox"), program, 0o755))
	for _, name := range []string{"sh", "sleep", "id", "grep", "touch", "cat", "true"} {
		err = errors.Join(err, os.Symlink("busybox", filepath.Join(root, "bin", name)))
	}
	for _, name := range []string{"proc", "sys", "dev", "tmp"} {
		err = errors.Join(err, os.Mkdir(filepath.Join(root, name), 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// write writes config.json with another command.
func (b *bundle) write(t *testing.T, args ...string) {
	t.Helper()
	b.oci.Process.Args = args
	data, err := json.Marshal(b.oci)
	if err == nil {
		err = os.WriteFile(filepath.Join(b.dir, "config.json"), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// call runs the runtime. A detached container has its streams, so that they are
// files: a pipe would be waited for.
func (b *bundle) call(args ...string) (code int, out, errors string) {
	cmd := exec.Command(b.runtime, append([]string{"--root", b.state}, args...)...)
	cmd.Dir = b.dir
	files := [2]*os.File{}
	for i := range files {
		f, err := os.CreateTemp(b.dir, "out")
		if err != nil {
			return -1, "", err.Error()
		}
		defer f.Close()
		files[i] = f
	}
	cmd.Stdout, cmd.Stderr = files[0], files[1]
	_ = cmd.Run()
	read := func(f *os.File) string {
		data, _ := os.ReadFile(f.Name())
		return string(data)
	}
	return cmd.ProcessState.ExitCode(), read(files[0]), read(files[1])
}

func (b *bundle) must(t *testing.T, args ...string) string {
	t.Helper()
	code, out, text := b.call(args...)
	if code != 0 {
		t.Fatalf("%q: %d, %s", args, code, text)
	}
	return out
}

func safeRunOCI(t *testing.T) string {
	return filepath.Join(filepath.Dir(built(t).safeRun), "safe-run-oci")
}

// TestOCILikeRunc: the life of a container, step by step, with the exit codes of
// Debian's runc beside.
func TestOCILikeRunc(t *testing.T) {
	needRoot(t)
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Skip("NOT CHECKED: that exit codes are runc's: there is no runc: ", err)
	}
	ours, theirs := newBundle(t, safeRunOCI(t)), newBundle(t, runc)
	for _, b := range []*bundle{ours, theirs} {
		b.write(t, "sleep", "60")
	}
	for _, step := range []struct {
		line string
		code int
	}{
		{"create c", 0}, {"create c", 1}, {"delete c-", 1}, {"state c", 0}, {"start c", 0}, {"start c", 1}, {"state ../c", 1},
		{"exec c true", 0}, {"exec c sh -c 'exit 7'", 7}, {"exec c nope", 255}, {"pause c", 0}, {"exec c true", 255}, {"resume c", 0},
		{"ps --format json c", 0}, {"update --pids-limit 20 c", 0}, {"events --stats c", 0}, {"delete c", 1}, {"kill c KILL", 0}, {"await stopped", 0},
		{"kill c TERM", 1}, {"exec c true", 255}, {"start c", 1}, {"delete c", 0}, {"delete c", 1}, {"delete --force c", 0},
		{"run --bundle /none c", 1}, {"kill c NOPE", 1}, {"list --format json", 0}, {"features", 0},
	} {
		if step.line == "await stopped" {
			ours.await(t, "c", "stopped")
			theirs.await(t, "c", "stopped")
			continue
		}
		args := words(step.line)
		code, _, text := ours.call(args...)
		if code != step.code || code != 0 && strings.Count(text, "\n") > 1 {
			t.Errorf("%s: exit code %d, %s", step.line, code, text)
		}
		if code, _, text := theirs.call(args...); code != step.code && step.line != "features" {
			t.Errorf("runc %s: exit code %d, %s", step.line, code, text)
		}
	}
	for _, b := range []*bundle{ours, theirs} {
		b.write(t, "sh", "-c", "exit 3")
		if code, _, text := b.call("run", "r"); code != 3 {
			t.Errorf("%s run: %d, %s", b.runtime, code, text)
		}
	}
}

// words splits at spaces outside of single quotes.
func words(line string) []string {
	var out []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			out = append(out, part)
			continue
		}
		out = append(out, strings.Fields(part)...)
	}
	return out
}

func (b *bundle) await(t *testing.T, id, status string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var state specs.State
		if json.Unmarshal([]byte(b.must(t, "state", id)), &state) == nil && string(state.Status) == status {
			return
		}
	}
	t.Fatalf("%s is not %s after 30 s", id, status)
}

const lookAround = "id -u; grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; touch /x 2>/dev/null && echo wrote"

// confined is what lookAround tells of a container that default confines.
const confined = "1000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"

// lookIntoFirst is what only Landlock refuses to a process of the same user.
const lookIntoFirst = "cat /proc/1/environ >/dev/null 2>&1 && echo looked || echo refused"

// TestOCIProfile: the annotation's profile holds for the first process and for
// those that join it.
func TestOCIProfile(t *testing.T) {
	b := newBundle(t, safeRunOCI(t))
	b.oci.Annotations = map[string]string{"safe-run.dev/profile": "default"}
	b.write(t, "sh", "-c", lookAround)
	if code, _, text := b.call("run", "c"); code != 1 || !strings.Contains(text, "user namespace") {
		t.Errorf("no user namespace: %d, %s", code, text)
	}
	ids := []specs.LinuxIDMapping{{HostID: 0x7fff0000, Size: 65536}}
	b.oci.Linux.Namespaces = append(b.oci.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	b.oci.Linux.UIDMappings, b.oci.Linux.GIDMappings = ids, ids
	b.write(t, "sh", "-c", lookAround)
	if code, _, text := b.call("run", "c"); code != 1 || !strings.Contains(text, "user root") {
		t.Errorf("root: %d, %s", code, text)
	}
	b.oci.Process.User = specs.User{UID: 1000, GID: 1000}
	b.oci.Annotations["dev.safe-run.landlock"] = "{}"
	b.write(t, "sh", "-c", lookAround)
	if code, _, text := b.call("run", "c"); code != 1 || !strings.Contains(text, "annotation dev.safe-run.landlock") {
		t.Errorf("rules of its own: %d, %s", code, text)
	}
	delete(b.oci.Annotations, "dev.safe-run.landlock")
	b.write(t, "sh", "-c", lookAround)
	if _, out, text := b.call("run", "c"); out != confined {
		t.Errorf("got %q, %s", out, text)
	}
	b.write(t, "sleep", "60")
	b.must(t, "run", "--detach", "c")
	if _, out, text := b.call("exec", "--cap", "CAP_SYS_ADMIN", "c", "sh", "-c", lookAround); out != confined {
		t.Errorf("an exec got %q, %s", out, text)
	}
	if code, _, text := b.call("exec", "--user", "0", "c", "true"); code != 255 || !strings.Contains(text, "root is not given") {
		t.Errorf("an exec as root: %d, %s", code, text)
	}
	if _, out, text := b.call("exec", "c", "sh", "-c", lookIntoFirst); probe.Host().Landlock >= spec.LandlockSince && out != "refused\n" {
		t.Errorf("Landlock lets an exec look into the first process: %q, %s", out, text)
	}
	b.must(t, "update", "--memory", "2G", "--pids-limit", "9999", "c")
	var stats struct {
		Data struct {
			Pids   struct{ Limit uint64 }
			Memory struct{ Usage struct{ Limit uint64 } }
		}
	}
	if err := json.Unmarshal([]byte(b.must(t, "events", "--stats", "c")), &stats); err != nil {
		t.Fatal(err)
	}
	if stats.Data.Pids.Limit != 128 || stats.Data.Memory.Usage.Limit != 512<<20 {
		t.Errorf("after an update that asks for more: %+v", stats.Data)
	}
}

// TestOCIRootDevices: the devices of a bundle that mounts nothing at /dev are
// used, and nothing else of its root is written.
func TestOCIRootDevices(t *testing.T) {
	b := newBundle(t, safeRunOCI(t))
	b.oci.Annotations = map[string]string{"safe-run.dev/profile": "default"}
	b.oci.Linux.Namespaces = append(b.oci.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	ids := []specs.LinuxIDMapping{{HostID: 0x7fff0000, Size: 65536}}
	b.oci.Linux.UIDMappings, b.oci.Linux.GIDMappings = ids, ids
	b.oci.Process.User = specs.User{UID: 1000, GID: 1000}
	b.oci.Mounts = slices.DeleteFunc(b.oci.Mounts, func(m specs.Mount) bool { return strings.HasPrefix(m.Destination, "/dev") })
	for _, dir := range []string{"rootfs", "rootfs/dev"} { // where libcontainer makes them, as the container's root
		at := filepath.Join(b.dir, dir)
		if err := errors.Join(os.MkdirAll(at, 0o755), os.Chown(at, 0x7fff0000, 0x7fff0000)); err != nil {
			t.Fatal(err)
		}
	}
	b.write(t, "sh", "-c", "echo x >/dev/null && head -c 1 /dev/zero | wc -c; echo x 2>/dev/null >/file || echo kept")
	if _, out, text := b.call("run", "c"); out != "1\nkept\n" {
		t.Errorf("got %q, %s", out, text)
	}
}

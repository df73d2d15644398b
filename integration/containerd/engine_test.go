// Package containerd drives containerd-shim-saferun-v2 by a real containerd,
// built through Go modules, with a root, a state and a socket of its own.
package containerd

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const buildTags = "netgo osusergo seccomp containers_image_openpgp exclude_graphdriver_btrfs no_grpc"

var (
	shimBin string // the program that is tested
	tools   string // where containerd and ctr are
	given   string // where all three are, if there is no compiler
)

func TestMain(m *testing.M) {
	os.Exit(suite(m))
}

func suite(m *testing.M) int {
	scratch, err := os.MkdirTemp("", "shim")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	if given = os.Getenv("SAFE_RUN_BIN"); given != "" {
		shimBin, tools = filepath.Join(given, "containerd-shim-saferun-v2"), given
		patience *= 4
		return m.Run()
	}
	shimBin = filepath.Join(scratch, "containerd-shim-saferun-v2")
	build := exec.Command("go", "build", "-trimpath", "-tags", buildTags, "-ldflags", `-s -w -extldflags "-static"`, "-o", shimBin, "../../cmd/containerd-shim-saferun-v2")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = scratch
	}
	tools = filepath.Join(cache, "safe-run", "containerd-2.4.2")
	return m.Run()
}

// engine is a containerd of a test's own.
type engine struct {
	t         *testing.T
	dir       string
	tools     string // where containerd and ctr are
	namespace string // of containerd, and of the control groups
	client    string // the namespace that ctr asks in, where it is another
	config    string
	daemon    *exec.Cmd
	log       *os.File
}

// buildTime bounds the building of containerd, which happens once on a machine.
const buildTime = 5 * time.Minute

// built builds containerd when it is not there.
var built = sync.OnceValues(func() ([]byte, error) {
	if given != "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), buildTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "./build.sh", tools)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd.CombinedOutput()
})

// serial tells the namespaces of one run apart.
var serial atomic.Int64

// newEngine starts a containerd; what the test leaves behind is an error.
func newEngine(t *testing.T, more string) *engine {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("not root: no containerd was started")
	}
	if out, err := built(); err != nil {
		t.Skipf("NOT CHECKED: the shim with containerd, which could not be built: %v\n%s", err, out)
	}
	disabled := `disabled_plugins = ["io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images", "io.containerd.grpc.v1.cri"]`
	if more != "" {
		disabled = ""
	}
	return startEngine(t, tools, "version = 3\n"+disabled, more)
}

// startEngine starts the containerd of a directory.
func startEngine(t *testing.T, tools, version, more string) *engine {
	t.Helper()
	dir, err := os.MkdirTemp("", "c")
	must(t, err)
	must(t, os.Chmod(dir, 0o755))
	e := &engine{t: t, dir: dir, tools: tools, namespace: fmt.Sprintf("t%d-%d", os.Getpid(), serial.Add(1))}
	e.config = fmt.Sprintf("%s\nroot = %q\nstate = %q\n[grpc]\naddress = %q\n[ttrpc]\naddress = %q\n%s",
		version, dir+"/root", dir+"/state", dir+"/s", dir+"/t", strings.ReplaceAll(more, "DIR", dir))
	must(t, os.WriteFile(dir+"/config.toml", []byte(e.config), 0o600))
	e.log, err = os.Create(dir + "/log")
	must(t, err)
	e.start()
	t.Cleanup(e.close)
	return e
}

func (e *engine) start() {
	e.t.Helper()
	e.daemon = exec.Command(filepath.Join(e.tools, "containerd"), "--config", e.dir+"/config.toml")
	e.daemon.Stdout, e.daemon.Stderr = e.log, e.log
	e.daemon.Env = append(os.Environ(), "PATH="+e.tools+":"+os.Getenv("PATH"))
	must(e.t, e.daemon.Start())
	e.eventually("containerd answers", func() bool {
		code, _ := e.ctr("version")
		return code == 0
	})
}

// kill ends containerd, as a crash does.
func (e *engine) kill() {
	_ = e.daemon.Process.Kill()
	_ = e.daemon.Wait()
}

// close ends what is left and looks whether there should have been nothing.
func (e *engine) close() {
	e.nothingLeft()
	_ = e.daemon.Process.Signal(syscall.SIGTERM)
	_ = e.daemon.Wait()
	if e.t.Failed() {
		text, _ := os.ReadFile(e.dir + "/log")
		lines := strings.Split(string(text), "\n")
		e.t.Logf("containerd's log ends with\n%s", strings.Join(lines[max(0, len(lines)-25):], "\n"))
		for _, pid := range e.shims() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		for _, at := range e.mounts() {
			_ = syscall.Unmount(at, syscall.MNT_DETACH)
		}
	}
	e.log.Close()
	for _, group := range e.groups() {
		_ = syscall.Rmdir(group)
	}
	// What is refused where no configuration says otherwise is kept for a while.
	must(e.t, os.RemoveAll("/run/safe-run/pods/"+e.namespace))
	must(e.t, os.RemoveAll(e.dir))
}

// nothingLeft says what containers have left behind.
func (e *engine) nothingLeft() {
	var left []string
	deadline := time.Now().Add(patience)
	for {
		left = nil
		for _, pid := range e.shims() {
			left = append(left, "shim "+strconv.Itoa(pid))
		}
		for _, at := range e.mounts() {
			left = append(left, "mount "+at)
		}
		for _, group := range e.groups() {
			if filepath.Base(group) != e.namespace && filepath.Base(group) != "k8s.io" {
				left = append(left, "cgroup "+group)
			}
		}
		for _, bundle := range e.bundles() {
			left = append(left, "bundle "+bundle)
		}
		for _, socket := range e.sockets() {
			left = append(left, "socket "+socket)
		}
		if len(left) == 0 || time.Now().After(deadline) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if len(left) > 0 {
		e.t.Errorf("left behind: %q", left)
	}
}

// patience bounds every wait; machines that run tests are slow, and emulated ones
// beside others are slower.
var patience = 30 * time.Second

// shims are the processes of the tested program, of this containerd.
func (e *engine) shims() []int {
	var out []int
	entries, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range entries {
		line, _ := os.ReadFile(name)
		if strings.HasPrefix(string(line), shimBin+"\x00") && strings.Contains(string(line), e.dir+"/s\x00") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			out = append(out, pid)
		}
	}
	return out
}

func (e *engine) mounts() []string {
	var out []string
	table, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], e.dir+"/state/io.containerd.runtime") {
			out = append(out, fields[4])
		}
	}
	return out
}

// groups are the control groups of the namespace, the lowest first.
func (e *engine) groups() []string {
	var out []string
	for _, pattern := range []string{"/sys/fs/cgroup/*/", "/sys/fs/cgroup/"} {
		tops, _ := filepath.Glob(pattern + e.namespace)
		for _, top := range tops {
			below, _ := filepath.Glob(top + "/*/")
			for _, group := range below {
				out = append(out, filepath.Clean(group))
			}
			out = append(out, top)
		}
	}
	return out
}

func (e *engine) bundles() []string {
	found, _ := filepath.Glob(e.dir + "/state/io.containerd.runtime.v2.task/*/*")
	return found
}

// sockets are those of shims of this containerd: their names are hashes of its
// address, the namespace and the container's id.
func (e *engine) sockets() []string {
	ids := strings.Fields("c f b big other none")
	for i := range 600 {
		ids = append(ids, fmt.Sprint("c", i), fmt.Sprint("m", i))
	}
	var out []string
	for _, id := range ids {
		socket := fmt.Sprintf("/run/containerd/s/%x", sha256.Sum256([]byte(filepath.Join(e.dir, "s", e.namespace, id))))
		if _, err := os.Stat(socket); err == nil {
			out = append(out, id+": "+socket)
		}
	}
	return out
}

// ctr runs ctr, and gives its exit code and all that it writes but a warning
// about this machine's control groups.
func (e *engine) ctr(args ...string) (int, string) { return e.ctrWith("", args...) }

func (e *engine) ctrWith(stdin string, args ...string) (int, string) {
	namespace := e.namespace
	if e.client != "" {
		namespace = e.client
	}
	cmd := exec.Command(filepath.Join(e.tools, "ctr"), append([]string{"-a", e.dir + "/s", "-n", namespace}, args...)...)
	if stdin != "" {
		cmd.Stdin = strings.NewReader(stdin)
	}
	cmd.WaitDelay = time.Second
	timer := time.AfterFunc(2*patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		return -1, err.Error()
	}
	var kept []string
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "DEPRECATION") {
			kept = append(kept, line)
		}
	}
	return cmd.ProcessState.ExitCode(), strings.Join(kept, "")
}

// must is a command that succeeds.
func (e *engine) must(args ...string) string {
	e.t.Helper()
	code, out := e.ctr(args...)
	if code != 0 {
		e.t.Fatalf("ctr %q: exit %d: %s", args, code, out)
	}
	return out
}

// run is the beginning of ctr's run: a container of busybox with this
// configuration.
func (e *engine) run(flags ...string) []string {
	return append([]string{"run", "--runtime", shimBin, "--rootfs"}, flags...)
}

func (e *engine) eventually(what string, is func() bool) {
	e.t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			e.t.Fatalf("not after %s: %s", patience, what)
		}
	}
}

// write makes a file of the administrator's.
func (e *engine) write(name, text string) string {
	e.t.Helper()
	path := filepath.Join(e.dir, "etc", name)
	must(e.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(e.t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// rootfs is a root with busybox.
func (e *engine) rootfs() string {
	e.t.Helper()
	root := filepath.Join(e.dir, "rootfs")
	if _, err := os.Stat(root); err == nil {
		return root
	}
	for _, dir := range []string{"bin", "proc", "sys", "dev", "tmp", "etc", "root"} {
		must(e.t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		e.t.Skip("NOT CHECKED: the shim with containerd: there is no static /bin/busybox: ", err)
	}
	must(e.t, os.WriteFile(root+"/bin/busybox", busybox, 0o755))
	must(e.t, os.WriteFile(root+"/etc/passwd", []byte("root:x:0:0::/:/bin/sh\napp:x:1000:1000::/:/bin/sh\n"), 0o644))
	for _, name := range strings.Fields("[ sh echo cat sleep true false id ps kill ls head tail dd stty tty wc yes grep mount touch chown chroot wget nc cp mv rm") {
		must(e.t, os.Symlink("busybox", root+"/bin/"+name))
	}
	return root
}

// status is that of a task, as ctr shows it.
func (e *engine) status(id string) string {
	_, out := e.ctr("task", "ls")
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == id {
			return fields[2]
		}
	}
	return "none"
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package containerd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// olderEngine starts Debian's containerd, which is 1.6: it starts shims by the
// older protocol, and calls version 2 of the task service.
func olderEngine(t *testing.T) *engine {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("not root: no containerd was started")
	}
	program, err := exec.LookPath("containerd")
	if err != nil {
		t.Skip("NOT CHECKED: the shim with Debian's containerd, which is not installed")
	}
	if out, err := exec.Command(program, "--version").CombinedOutput(); err != nil || !strings.Contains(string(out), " 1.") {
		t.Skipf("NOT CHECKED: the shim with a containerd 1.x: %s is %s", program, out)
	}
	return startEngine(t, filepath.Dir(program), "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]", "")
}

// TestOlder: containers of a containerd before 2.3, through their life and its.
func TestOlder(t *testing.T) {
	e := olderEngine(t)
	if code, out := e.ctr(append(e.plain("--rm"), e.rootfs(), "c0", "/bin/sh", "-c", "echo out; sleep 0.3; exit 42")...); code != 42 || out != "out\n" {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, out := e.ctr(append(e.plain("--rm"), e.rootfs(), "c1", "/bin/none")...); code == 0 || !strings.Contains(out, "no such file or directory") {
		t.Errorf("exit %d: %s", code, out)
	}
	e.must(append(e.plain("-d"), e.rootfs(), "c2", "/bin/sleep", "1000")...)
	if code, out := e.ctr("task", "exec", "--exec-id", "a", "c2", "/bin/sh", "-c", "echo more; exit 7"); code != 7 || out != "more\n" {
		t.Errorf("exec: exit %d: %s", code, out)
	}
	e.must("task", "pause", "c2")
	if got := e.status("c2"); got != "PAUSED" {
		t.Errorf("it is %s", got)
	}
	e.must("task", "resume", "c2")
	if out := e.must("task", "metrics", "c2"); !strings.Contains(out, "pids.current") {
		t.Errorf("metrics:\n%s", out)
	}
	e.kill()
	e.start()
	if got := e.status("c2"); got != "RUNNING" {
		t.Fatalf("after containerd was killed it is %s", got)
	}
	if code, out := e.ctr("task", "exec", "--exec-id", "b", "c2", "/bin/echo", "again"); code != 0 || out != "again\n" {
		t.Errorf("exec: exit %d: %s", code, out)
	}
	e.remove("c2")
	e.must(append(e.plain("-d"), e.rootfs(), "c3", "/bin/sleep", "1000")...)
	for _, pid := range e.shims() {
		must(t, syscall.Kill(pid, syscall.SIGKILL))
	}
	e.eventually("it is known to have ended", func() bool { return e.status("c3") != "RUNNING" })
	e.ctr("task", "rm", "c3")
	e.must("container", "rm", "c3")
}

// TestOlderPolicy: a profile holds there, too.
func TestOlderPolicy(t *testing.T) {
	e := olderEngine(t)
	path := e.write("shim.yaml", "apiVersion: safe-run.dev/v1\nkind: Shim\nprofile: default\n")
	code, out := e.ctr(append(e.run("--runtime-config-path", path), e.rootfs(), "c", "/bin/true")...)
	if code == 0 || !strings.Contains(out, "which profile default asks for") {
		t.Errorf("exit %d: %s", code, out)
	}
	e.ctr("container", "rm", "c")
}

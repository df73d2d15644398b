package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/integration/leaks"
)

// TestKilledWithItsWarden: when the warden is killed too, the kernel still
// ends the container (the parent-death signal that initproc sets), and gc
// removes what is left.
func TestKilledWithItsWarden(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	r, ready := start(t, nil, "signals")
	if ready != "ready" {
		t.Fatalf("peek says %q", ready)
	}
	launcher := r.cmd.Process.Pid
	warden, program := childOf(t, launcher, "safe-run-warden"), childOf(t, launcher, "/peek")
	for _, pid := range []int{warden, launcher} {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	r.wait()
	for deadline := time.Now().Add(5 * time.Second); commandOf(program) != ""; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("the container goes on without launcher and warden")
			break
		}
	}
	if got := safeRun(t, "gc"); got.code != 0 || !strings.Contains(got.out, "removed") {
		t.Errorf("safe-run gc: exit code %d, %q\n%s", got.code, got.out, got.err)
	}
}

// childOf finds the child of a process that was called by name.
func childOf(t *testing.T, parent int, name string) int {
	t.Helper()
	lists, err := filepath.Glob("/proc/" + strconv.Itoa(parent) + "/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		children, _ := os.ReadFile(list) // a thread may have ended
		for _, child := range strings.Fields(string(children)) {
			if pid, err := strconv.Atoi(child); err == nil && commandOf(pid) == name {
				return pid
			}
		}
	}
	t.Fatalf("process %d has no child %s", parent, name)
	return 0
}

// commandOf is the first argument of a process; empty when it has ended.
func commandOf(pid int) string {
	args, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	name, _, _ := strings.Cut(string(args), "\x00")
	return name
}

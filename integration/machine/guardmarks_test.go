package machine

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/guard"
	"github.com/safe-run/safe-run/spec"
)

// waiting is the first process of a pid namespace, under the guard.
func waiting(t *testing.T) (pid int, held *guard.Held, end func()) {
	t.Helper()
	cmd := exec.Command("/usr/bin/busybox", "sleep", "1004")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = func() { _, _ = cmd.Process.Kill(), cmd.Wait() }
	held, err := guard.Enter(cmd.Process.Pid, &spec.Guard{Deny: []string{spec.GuardBPF}})
	if err != nil {
		end()
		t.Fatal(err)
	}
	return cmd.Process.Pid, held, end
}

// numbersAgain: the kernel gives the number of a pid namespace again, and who leaves
// late takes away no mark but its own. Those that nobody takes away are collected.
func numbersAgain(t *testing.T) {
	for range 20 {
		_, first, end := waiting(t)
		end()
		pid, next, endNext := waiting(t)
		first.Leave()
		mark, err := guard.MarkedAs(pid)
		next.Leave()
		endNext()
		if err != nil || mark.Classes == 0 {
			t.Fatalf("the next container has the mark %+v (%v) after the last one's was removed", mark, err)
		}
	}
	if n, err := guard.Collect(); n != 0 || err != nil {
		t.Errorf("%d were left (%v)", n, err)
	}
	live, held, end := waiting(t)
	for range 3 { // their launchers are killed
		_, _, endKilled := waiting(t)
		endKilled()
	}
	if n, err := guard.Collect(); n != 3 || err != nil {
		t.Errorf("%d were collected (%v), want 3", n, err)
	}
	if mark, err := guard.MarkedAs(live); err != nil || mark.Classes == 0 {
		t.Errorf("one that lives lost its mark: %+v, %v", mark, err)
	}
	end()
	held.Leave()
}

// ofStrangers: what another user makes by the guard's name, where the filesystem of
// pins is open to all, stops nobody and is not the guard.
func ofStrangers(t *testing.T) {
	if err := unix.Mount("bpf", guard.FS, "bpf", 0, "mode=1777"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(guard.FS, 0); err != nil {
			t.Error(err)
		}
	}()
	asStranger := func(words ...string) {
		cmd := exec.Command("/usr/bin/busybox", words...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", words, err, out)
		}
	}
	runs := func(want bool) {
		t.Helper()
		if said, err := safeRun(t, "run", "--rm", "/usr/bin/busybox", "echo", "ran"); err != nil || !strings.Contains(said, "ran") {
			t.Errorf("run: %v %q", err, said)
		}
		if said, err := safeRun(t, "guard", "status"); (err == nil) != want {
			t.Errorf("status: %v %q, want it on: %t", err, said, want)
		}
		if guard.On() != want {
			t.Errorf("it is on: %t", !want)
		}
	}
	asStranger("mkdir", "-p", guard.MapPath, filepath.Join(guard.Dir, "bpf"))
	runs(false)
	switchedOnMeanwhile(t)
	runs(true)
	mustRun(t, "guard", "off")
	asStranger("ln", "-s", "/proc", guard.Dir)
	if guard.On() {
		t.Error("another user's link is the guard")
	}
	mustRun(t, "guard", "off")
	if _, err := os.Lstat(guard.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is there after off: %v", err)
	}
	// Where others may move what root has, it is not switched on.
	if err := os.Chmod(guard.FS, 0o777); err != nil {
		t.Fatal(err)
	}
	if said, err := safeRun(t, "guard", "on"); err == nil || !strings.Contains(said, "mode=0700") {
		t.Errorf("on in a directory of everybody's: %v %q", err, said)
	}
}

// switchedOnMeanwhile: a container that waits for its network when the guard is
// switched on, and has a plan without it, begins under it.
func switchedOnMeanwhile(t *testing.T) {
	t.Helper()
	lock, err := os.OpenFile("/run/safe-run/network.lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		defer lock.Close()
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX)
	}
	cmd := exec.Command("/bin/safe-run", "run", "-d", "--name", "late", "--network", "bridge", "/usr/bin/busybox", "sleep", "1005")
	said := new(bytes.Buffer)
	cmd.Stderr = said
	if err = errors.Join(err, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	waits := false
	for range 600 {
		locks, err := os.ReadFile("/proc/locks")
		if waits = err == nil && bytes.Contains(locks, []byte("-> FLOCK")); waits {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	mustRun(t, "guard", "on")
	lock.Close()
	if err := cmd.Wait(); err != nil || !waits {
		t.Fatalf("it waited for its network: %t; %v: %s", waits, err, said)
	}
	mark, err := guard.MarkedAs(pidOf(t, "1005"))
	if err != nil || mark.Classes != uint64(1)<<len(spec.GuardClasses())-1 {
		t.Errorf("what began after the guard was switched on has the mark %+v (%v)", mark, err)
	}
	mustRun(t, "rm", "-f", "late")
}

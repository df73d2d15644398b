package guard

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestKeyOf reads what the kernel says of this process.
func TestKeyOf(t *testing.T) {
	got, err := keyOf(os.Getpid())
	if err != nil || got.Namespace == 0 || got.Began == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := keyOf(1 << 30); err == nil {
		t.Error("a process that is not there has one")
	}
}

func TestShifted(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "monotonic           0         0\nboottime            0         0\n": false,
		"monotonic 5 0\nboottime 0 0\n": false, "monotonic 0 0\nboottime -3 0\n": true, "boottime 0 7": true, "boottime": false,
	} {
		if got := shifted(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// TestShiftedLauncher: in a time namespace with an offset the times of /proc are not
// those that the programs see, and a mark would hold nobody.
func TestShiftedLauncher(t *testing.T) {
	const child = "SAFE_RUN_SHIFTED"
	if os.Getenv(child) != "" {
		if _, err := keyOf(os.Getpid()); err != nil {
			t.Log(err)
			os.Exit(7)
		}
		os.Exit(8)
	}
	cmd := exec.Command("unshare", "--time", "--boottime", "1000", "--fork", "/proc/self/exe")
	cmd.Args[len(cmd.Args)-1], _ = os.Executable()
	cmd.Args = append(cmd.Args, "-test.run=^TestShiftedLauncher$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, _ := cmd.CombinedOutput()
	switch code := cmd.ProcessState.ExitCode(); code {
	case 7:
	case 8:
		t.Error("a launcher in a time namespace with an offset took its own time for the kernel's")
	default:
		t.Skipf("NOT CHECKED: a launcher in a time namespace: exit code %d: %s", code, out)
	}
}

// container is a process that is the first of a pid namespace.
func container(t *testing.T) (pid int, end func()) {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if err := cmd.Start(); err != nil {
		t.Skipf("NOT CHECKED: pid namespaces: %v", err)
	}
	over := false
	end = func() {
		if !over {
			over = true
			_, _ = cmd.Process.Kill(), cmd.Wait()
		}
	}
	t.Cleanup(end)
	return cmd.Process.Pid, end
}

// TestNumberIsHeld: the number of a container's namespace is not given again before
// its mark is removed.
func TestNumberIsHeld(t *testing.T) {
	pid, end := container(t)
	held, err := hold(pid)
	if err != nil {
		t.Fatal(err)
	}
	end()
	for range 20 {
		next, endNext := container(t)
		other, err := keyOf(next)
		if err != nil {
			t.Fatal(err)
		}
		if other.Namespace == held.container.Namespace {
			t.Fatal("the number was given again while the mark was there")
		}
		endNext()
		time.Sleep(20 * time.Millisecond) // the kernel frees a namespace a moment later
	}
	held.Leave()
	if _, err := unix.FcntlInt(uintptr(held.namespace), unix.F_GETFD, 0); !errors.Is(err, unix.EBADF) {
		t.Errorf("the namespace is kept after Leave: %v", err)
	}
}

// newMap is a map of marks that no program looks at.
func newMap(t *testing.T, entries uint32) int {
	t.Helper()
	attr := struct{ kind, keySize, valueSize, entries, flags uint32 }{mapHash, 16, 32, entries, 0}
	fd, err := bpf(0, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if err != nil {
		t.Skipf("NOT CHECKED: the map of marks: %v", err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// TestCollect removes marks of containers that are no more, and none of one that is,
// even where a stale one has the same number.
func TestCollect(t *testing.T) {
	marks := newMap(t, 8)
	pid, end := container(t)
	live, err := keyOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	stale := key{Namespace: live.Namespace, Began: live.Began - 1}
	for _, one := range []key{live, stale, {Namespace: 1, Began: 1}} {
		if err := element(cmdUpdate, marks, one, &Mark{Classes: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := collect(marks); n != 2 || err != nil {
		if own, _ := keyOf(os.Getpid()); own.Namespace != firstNamespace {
			t.Skipf("NOT CHECKED: marks are collected: %v", err)
		}
		t.Errorf("%d were removed (%v), want 2", n, err)
	}
	var m Mark
	if err := element(cmdLookup, marks, live, &m); err != nil || m.Classes != 1 {
		t.Errorf("the mark of one that lives: %+v, %v", m, err)
	}
	if !outside(os.Getpid()) || outside(pid) {
		t.Error("who is in a pid namespace of its own is not told from who is not")
	}
	end()
	if n, err := collect(marks); n != 1 || err != nil {
		t.Errorf("after its end %d were removed (%v), want 1", n, err)
	}
}

// TestOwn: what another user may have made, or may change, is not the guard.
func TestOwn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT CHECKED: whose the guard is: this is not root")
	}
	make := func(mode os.FileMode, uid int) string {
		dir := filepath.Join(t.TempDir(), "safe-run")
		if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, uid, 0), os.Chmod(dir, mode)); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	link := filepath.Join(t.TempDir(), "link")
	file := filepath.Join(t.TempDir(), "file")
	mine := make(0o700, 0)
	if err := errors.Join(os.Symlink(mine, link), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]bool{
		mine: true, make(0o755, 0): true, make(0o700, 1000): false, make(0o770, 0): false, make(0o1777, 0): false, link: false, file: false,
	} {
		if got, err := Own(dir); got != want || err != nil {
			at, _ := os.Lstat(dir)
			t.Errorf("%v: %t, %v", at.Mode(), got, err)
		}
	}
	if _, err := Own(mine + "-none"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("got %v", err)
	}
}

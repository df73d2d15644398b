package runc

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// stages starts children that end at once and are named as libcontainer's are.
func stages(t *testing.T, flags ...uintptr) (out []*exec.Cmd) {
	t.Helper()
	program, err := exec.LookPath("true")
	if err != nil {
		t.Skip("NOT CHECKED: zombies of libcontainer: ", err)
	}
	name := filepath.Join(t.TempDir(), "runc:[2:INIT]") // whose first 15 bytes are the name
	if err := os.Symlink(program, name); err != nil {
		t.Fatal(err)
	}
	for _, flag := range flags {
		one := exec.Command(name)
		one.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flag}
		if err := one.Start(); err != nil {
			t.Fatal(err)
		}
		out = append(out, one)
	}
	for _, one := range out {
		until(t, "it has ended", func() bool { return stray(one) })
	}
	return out
}

// stray says whether a child has ended and was not waited for.
func stray(c *exec.Cmd) bool {
	return slices.ContainsFunc(strays(), func(s stage) bool { return s.pid == c.Process.Pid })
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 500 {
		if is() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("never: %s; strays %v", what, strays())
}

// settle waits until nobody sweeps, who would do so in the next test.
func settle(t *testing.T, l *launches) {
	t.Helper()
	until(t, "all is swept", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return !l.sweeping
	})
}

// later is another hundredth of a second.
func later() {
	for at := now(); now() <= at+1; {
		time.Sleep(time.Millisecond)
	}
}

// TestStrays: of children that have ended as stages of libcontainer, those that
// nobody waits for are waited for, also while others are being started.
func TestStrays(t *testing.T) {
	l := newLaunches()
	before := l.begin("") // a start that takes long
	failed, other := l.begin(""), l.begin("")
	later()
	two := stages(t, 0, 0)
	gone, owned := two[0], two[1]
	l.end(other, owned.Process.Pid)
	l.end(failed, 0)
	time.Sleep(300 * time.Millisecond)
	if !stray(gone) {
		t.Error("taken from libcontainer, which starts somebody")
	}
	later()
	after := l.begin("") // which cannot be waiting for one that was there before
	l.end(before, 0)
	until(t, "the stray is gone while somebody is being started", func() bool { return !stray(gone) })
	if err := owned.Wait(); err != nil {
		t.Errorf("the end of the other was taken from who waits: %v", err)
	}
	l.waited(owned.Process.Pid)
	l.end(after, 0)
	settle(t, l)
}

// TestStraysInside: those in the pid namespace of a container in which a start has
// failed go, however long another takes elsewhere; while one goes on there they stay.
func TestStraysInside(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("NOT CHECKED: zombies in another pid namespace: not root")
	}
	l := newLaunches()
	elsewhere := l.begin("pid:[1]") // and for ever
	later()
	two := stages(t, syscall.CLONE_NEWPID, syscall.CLONE_NEWPID)
	inside, outside := pidNamespace(two[0].Process.Pid), pidNamespace(two[1].Process.Pid)
	if own := pidNamespace(os.Getpid()); inside == "" || inside == own || inside == outside {
		t.Fatalf("namespaces %q, %q and %q", inside, outside, own)
	}
	failed, goesOn := l.begin(inside), l.begin(inside)
	l.end(failed, 0)
	time.Sleep(300 * time.Millisecond)
	if !stray(two[0]) {
		t.Error("taken from a start in the same container")
	}
	l.end(goesOn, 0)
	until(t, "the stray is gone", func() bool { return !stray(two[0]) })
	time.Sleep(200 * time.Millisecond)
	if !stray(two[1]) {
		t.Error("taken from a start that goes on")
	}
	l.end(elsewhere, 0)
	until(t, "all are gone", func() bool { return !stray(two[1]) })
	settle(t, l)
}

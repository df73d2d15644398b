package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// TestFullDisk: how a container is can be written down when there is no room for
// a byte more, again and again, and containers can be removed. What cannot be
// done says so in one line.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=700"); err != nil {
		t.Skip("NOT CHECKED: a ledger on a full disk: no tmpfs can be mounted: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	l, err := Open(filepath.Join(dir, "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	e := create(t, l, Container{ID: id("a"), Name: "x"})
	if err := e.SetState(State{Status: Running, Pid: 1}); err != nil {
		t.Fatal(err)
	}
	fill(t, filepath.Join(dir, "filler"))
	for i := range 20 {
		want := State{Status: Exited, ExitCode: i, Cause: strings.Repeat("x", 100*(i%7))}
		if err := e.SetState(want); err != nil {
			t.Fatal(err)
		}
		if _, got, err := l.Find("x"); err != nil || got.ExitCode != i || got.Cause != want.Cause {
			t.Errorf("Find: %+v, %v", got, err)
		}
	}
	_, err = l.Create(Container{ID: id("b"), Name: "y"})
	if !errors.Is(err, unix.ENOSPC) || problem.HintOf(err) == "" || strings.Contains(err.Error(), "\n") {
		t.Errorf("Create: %v", err)
	}
	err = l.Rename(id("a"), "z")
	if !errors.Is(err, unix.ENOSPC) || problem.HintOf(err) == "" || strings.Contains(err.Error(), "\n") {
		t.Errorf("Rename: %v", err)
	}
	if l.Taken("y") || l.Taken("z") || !l.Taken("x") {
		t.Error("a name was taken or lost")
	}
	if err := e.Remove(); err != nil {
		t.Fatal(err)
	}
	if ids, err := l.IDs(); err != nil || len(ids) != 0 {
		t.Errorf("left: %q, %v", ids, err)
	}
	create(t, l, Container{ID: id("c"), Name: "x"}) // in the room that it had
}

// fill leaves no room at all.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

// TestStaleNames: names that a killed rename left are given back, whichever of
// the two it is, and never one in use.
func TestStaleNames(t *testing.T) {
	for name, sweep := range map[string]func(*Ledger) error{
		"gc":      func(l *Ledger) error { _, _, err := l.Sweep(); return err },
		"a claim": func(l *Ledger) error { return l.freeName("other") },
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t)
			e := create(t, l, Container{ID: id("a"), Name: "x"})
			if err := l.claim("other", id("a")); err != nil {
				t.Fatal(err)
			}
			lock, err := takeLock(e.dir, editByte)
			if err != nil {
				t.Fatal(err)
			}
			if err := sweep(l); err != nil || !l.Taken("other") {
				t.Errorf("a name went while it was being given: %v", err)
			}
			lock.Close()
			if err := sweep(l); err != nil || l.Taken("other") || !l.Taken("x") {
				t.Errorf("afterwards: %v, %v, %v", err, l.Taken("other"), l.Taken("x"))
			}
		})
	}
}

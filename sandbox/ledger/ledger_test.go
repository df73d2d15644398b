package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func open(t *testing.T) *Ledger {
	t.Helper()
	l, err := Open(filepath.Join(t.TempDir(), "containers"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// id makes an id that begins with prefix.
func id(prefix string) string { return prefix + strings.Repeat("0", 64-len(prefix)) }

func create(t *testing.T, l *Ledger, c Container) *Entry {
	t.Helper()
	e, err := l.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func TestCreateAndFind(t *testing.T) {
	l := open(t)
	want := Container{
		ID: id("abc"), Name: "web", Created: time.Now().UTC(), Image: "oci:./x", Command: []string{"sh"},
		Labels: map[string]string{"a": "b"}, Restart: Restart{"on-failure", 3}, Args: []string{"oci:./x", "sh"},
	}
	e := create(t, l, want)
	want.Log = LogLimit{}.orDefault()
	running := State{Status: Running, Pid: 7, Started: time.Now().UTC()}
	if err := e.SetState(running); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"web", id("abc"), "abc", "a"} {
		c, s, err := l.Find(ref)
		if err != nil || !reflect.DeepEqual(c, want) || s != running {
			t.Errorf("Find(%q) = %+v, %+v, %v", ref, c, s, err)
		}
	}
	for _, ref := range []string{"", "b", "we", "../web", id("abd"), "x\n"} {
		if _, _, err := l.Find(ref); !errors.Is(err, ErrNotFound) {
			t.Errorf("Find(%q): %v, want ErrNotFound", ref, err)
		}
	}
	create(t, l, Container{ID: id("abd")})
	if _, _, err := l.Find("ab"); err == nil || !strings.Contains(err.Error(), "2 containers") {
		t.Errorf("ambiguous: %v", err)
	}
	if _, err := l.Create(Container{ID: id("e"), Name: "web"}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a name taken twice: %v", err)
	}
	if _, err := os.Lstat(l.Dir(id("e"))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a failed Create left its directory: %v", err)
	}
}

func TestWithoutASupervisorItIsDead(t *testing.T) {
	l := open(t)
	e := create(t, l, Container{ID: id("1"), Name: "x"})
	if err := e.SetState(State{Status: Running, Pid: 1, Started: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := l.Remove(id("1")); !errors.Is(err, ErrRunning) {
		t.Errorf("Remove of one that runs: %v", err)
	}
	if _, err := l.Adopt(id("1")); !errors.Is(err, ErrRunning) {
		t.Errorf("Adopt of one that runs: %v", err)
	}
	e.Close()
	if _, s, err := l.Find("x"); err != nil || s.Status != Dead || s.ExitCode != 137 || s.Pid != 0 {
		t.Errorf("State = %+v, %v; want dead, 137", s, err)
	}
	_, died, err := l.Sweep()
	if err != nil || len(died) != 1 {
		t.Errorf("Sweep: %v, %v", died, err)
	}
	if _, died, err := l.Sweep(); err != nil || len(died) != 0 {
		t.Errorf("Sweep again: %v, %v", died, err)
	}
	if err := l.Remove(id("1")); err != nil {
		t.Error(err)
	}
	create(t, l, Container{ID: id("2"), Name: "x"})
}

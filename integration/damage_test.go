package integration

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// damages are what may become of a file.
var damages = map[string]func(path string) error{
	"a link to itself":   func(path string) error { return os.Symlink(filepath.Base(path), path) },
	"a link elsewhere":   func(path string) error { return os.Symlink("/etc/passwd", path) },
	"a directory":        func(path string) error { return os.MkdirAll(filepath.Join(path, "inner"), 0o700) },
	"a pipe":             func(path string) error { return syscall.Mkfifo(path, 0o600) },
	"a huge file":        func(path string) error { return truncateTo(path, 1<<40) },
	"a device":           func(path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o600, 0x105) }, // /dev/zero
	"nothing":            func(string) error { return nil },
	"deep JSON":          func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("[", 1<<20)), 0o600) },
	"numbers too large":  func(path string) error { return os.WriteFile(path, []byte(`{"pid":1e999,"status":"running"}`), 0o600) },
	"bytes of any value": func(path string) error { return os.WriteFile(path, []byte("\x00\xff\x1b[2J{\"id\":"), 0o600) },
}

func truncateTo(path string, size int64) error {
	err := os.WriteFile(path, nil, 0o600)
	if err == nil {
		err = os.Truncate(path, size)
	}
	return err
}

// TestDamagedRecords: each file of a container is cut short at each tenth byte,
// and replaced by what nobody expects there. Every verb ends soon and says in a
// few lines what is wrong, and rm -f removes the container.
func TestDamagedRecords(t *testing.T) {
	y := newYard(t)
	original := filepath.Join(t.TempDir(), "ledger")
	id := y.detach(t, []string{"--name", "worn", "--label", "a=b"}, "echo", "hello")
	y.must(t, "wait", id)
	y.becomes(t, id, "exited")
	if err := os.CopyFS(original, os.DirFS(y.ledger)); err != nil {
		t.Fatal(err)
	}
	var files []string
	err := fs.WalkDir(os.DirFS(filepath.Join(y.ledger, id)), ".", func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) < 4 {
		t.Fatalf("the files of a container: %q, %v", files, err)
	}
	for _, file := range files {
		w := worn{y, original, id, filepath.Join(y.ledger, id, file)}
		whole, err := os.ReadFile(filepath.Join(original, id, file))
		if err != nil {
			t.Fatal(err)
		}
		step := 10
		if len(whole) > 600 || strings.HasSuffix(file, ".spare") {
			step = len(whole)/60 + 1 // the middle of a long string is like any other
		}
		for at := 0; at < len(whole); at += step {
			w.wear(t, fmt.Sprintf("%s, cut at %d", file, at), func(path string) error { return os.WriteFile(path, whole[:at], 0o600) })
		}
		for name, damage := range damages {
			w.wear(t, file+" is "+name, damage)
		}
	}
}

// worn is one file of a container, and the ledger as it was before.
type worn struct {
	*yard
	original, id, path string
}

// wear damages the file and looks how verbs take it.
func (w worn) wear(t *testing.T, what string, damage func(string) error) {
	t.Helper()
	y, id := w.yard, w.id
	y.renew(t, w.original)
	if err := os.RemoveAll(w.path); err != nil {
		t.Fatal(err)
	}
	if err := damage(w.path); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	verbs := []string{"ps -a --no-trunc", "rm -f " + id}
	if !strings.Contains(what, "cut at") {
		verbs = []string{"ps -a --no-trunc", "inspect worn", "logs " + id, "stop worn", "gc", "ps -aq --no-trunc", "rm -f " + id}
	}
	for _, verb := range verbs {
		got := y.run(t, strings.Fields(verb)...)
		if got.code > 1 || strings.Contains(got.err, "internal error") || strings.Contains(got.err, "goroutine") || strings.Count(got.err, "\n") > 4 {
			t.Errorf("%s: %s: exit code %d\n%s", what, verb, got.code, got.err)
		}
		if strings.HasPrefix(verb, "ps") && !strings.Contains(got.out, id) || strings.HasPrefix(verb, "rm") && got.code != 0 {
			t.Errorf("%s: %s: exit code %d\n%s%s", what, verb, got.code, got.out, got.err)
		}
	}
	if left := y.ids(); len(left) > 0 {
		t.Errorf("%s: left: %q", what, left)
	}
	if names, _ := os.ReadDir(filepath.Join(y.ledger, "names")); len(names) > 0 {
		t.Errorf("%s: names left: %v", what, names)
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("%s: took %v", what, took)
	}
}

// renew makes the ledger what it was.
func (y *yard) renew(t *testing.T, original string) {
	t.Helper()
	err := os.RemoveAll(y.ledger)
	if err == nil {
		err = os.CopyFS(y.ledger, os.DirFS(original))
	}
	if err == nil {
		err = os.Chmod(y.ledger, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestReboot: after one there is a ledger that says what ran, and nothing else.
func TestReboot(t *testing.T) {
	y := newYard(t)
	before := filepath.Join(t.TempDir(), "before")
	for _, flags := range [][]string{{"--name", "plain"}, {"--name", "policy", "--restart", "always"}, {"--name", "passing", "--rm"}} {
		y.detach(t, flags, "sleep", "300")
	}
	ended := y.detach(t, []string{"--name", "ended"}, "sh", "-c", "exit 3")
	y.must(t, "wait", ended)
	y.becomes(t, ended, "exited")
	copyLedger(t, y.ledger, before)
	y.must(t, "rm", "-f", "plain", "policy", "passing", "ended")
	y.ledger = before
	for name, want := range map[string]string{"plain": "dead", "policy": "dead", "passing": "dead", "ended": "exited"} {
		if s := y.see(t, name); s.Status != want {
			t.Errorf("%s: %+v, want %s", name, s, want)
		}
	}
	if got := y.run(t, "exec", "plain", "true"); got.code == 0 || !strings.Contains(got.err, "does not run") {
		t.Errorf("exec: exit code %d\n%s", got.code, got.err)
	}
	y.must(t, "start", "policy")
	if s := y.see(t, "policy"); s.Status != "running" {
		t.Errorf("started again: %+v", s)
	}
	out := y.must(t, "gc")
	if !strings.Contains(out, "dead: plain") || !strings.Contains(out, "removed passing") || strings.Contains(out, "policy") || strings.Contains(out, "ended") {
		t.Errorf("gc: %q", out)
	}
	y.must(t, "start", "plain")
	y.must(t, "rm", "-f", "plain", "policy", "ended")
}

// copyLedger copies what a disk keeps of a ledger: sockets are nothing there.
func copyLedger(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(from, path)
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		case !e.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(filepath.Join(to, rel), data, 0o600)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFullLedger: on a disk without room for one byte more, what needs none
// works, and what needs some says so in one line.
func TestFullLedger(t *testing.T) {
	y := newYard(t)
	small := t.TempDir()
	mustRun(t, "mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small)
	t.Cleanup(func() { mustRun(t, "umount", small) })
	y.ledger = filepath.Join(small, "ledger")
	t.Cleanup(func() { y.run(t, append([]string{"rm", "-f"}, y.ids()...)...) })
	y.detach(t, []string{"--name", "early"}, "sh", "-c", "echo hello; exec sleep 300")
	y.detach(t, []string{"--name", "killed"}, "sleep", "300")
	for deadline := time.Now().Add(30 * time.Second); y.must(t, "logs", "early") != "hello"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no log")
		}
	}
	filler, err := os.Create(filepath.Join(small, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = filler.Write(make([]byte, 4096))
	}
	filler.Close()
	for _, args := range [][]string{{"run", "-d", "--name", "late", "dir:" + y.root, "true"}, {"rename", "early", "other"}} {
		got := y.run(t, args...)
		if got.code == 0 || !strings.Contains(got.err, "no space left") || strings.Count(got.err, "\n") != 2 || !strings.Contains(got.err, "hint: make room") {
			t.Errorf("%s: exit code %d\n%s", args[0], got.code, got.err)
		}
	}
	if got := y.must(t, "logs", "early"); got != "hello" {
		t.Errorf("logs: %q", got)
	}
	if s := y.see(t, "early"); s.Status != "running" {
		t.Errorf("early: %+v", s)
	}
	y.must(t, "exec", "early", "true")
	y.must(t, "stop", "-t", "0", "early")
	if s := y.see(t, "early"); s.Status != "exited" || s.ExitCode != 137 {
		t.Errorf("stopped on a full disk: %+v", s)
	}
	if err := syscall.Kill(y.supervisorOf(t, y.see(t, "killed").ID), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	y.becomes(t, "killed", "dead")
	y.must(t, "gc")
	if s := y.see(t, "late"); s.ID != "" {
		t.Errorf("what could not be made: %+v", s)
	}
	y.must(t, "rm", "early", "killed")
	if left := y.ids(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

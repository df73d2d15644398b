package ledger

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// text reads a log into one string for each stream.
func text(t testing.TB, dir string, q LogQuery) (out, err string) {
	t.Helper()
	var texts [2]strings.Builder
	if err := ReadLog(dir, q, func(line LogLine) error {
		if line.Stream == Stderr {
			texts[1].WriteString(line.Text)
		} else {
			texts[0].WriteString(line.Text)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return texts[0].String(), texts[1].String()
}

// TestLogKeepsTheText: whatever is written in whatever pieces, what is read is
// that text, as far as it is UTF-8.
func TestLogKeepsTheText(t *testing.T) {
	base := t.TempDir()
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		dir := filepath.Join(base, fmt.Sprint(n))
		log, err := OpenLog(dir, LogLimit{Size: 1 << 30, Files: 1})
		if err != nil {
			r.Fatal(err)
		}
		want := rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.RuneFrom([]rune("aé€\U0001f600\n\"\\\x00\x7f")), 0, 3*maxLogLine, -1)).Draw(r, "text")
		stream := log.Stream(Stdout)
		for rest := []byte(want); len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(r, "piece")
			_, _ = stream.Write(rest[:n])
			rest = rest[n:]
		}
		stream.Flush()
		if err := log.Close(); err != nil {
			r.Fatal(err)
		}
		if got, _ := text(t, dir, LogQuery{Tail: -1}); got != want {
			r.Fatalf("read %q, written %q", got, want)
		}
	})
}

// TestLogIsBounded: the files never hold more than they may, and always the
// last that was written.
func TestLogIsBounded(t *testing.T) {
	for _, limit := range []LogLimit{{1 << 10, 1}, {1 << 10, 3}, {100, 2}} {
		dir := t.TempDir()
		log, err := OpenLog(dir, limit)
		if err != nil {
			t.Fatal(err)
		}
		out := log.Stream(Stdout)
		for i := range 2000 {
			fmt.Fprintf(out, "line %d\n", i)
		}
		log.Close()
		files, _ := filepath.Glob(dir + "/*")
		if len(files) > limit.Files {
			t.Errorf("%+v: files %q", limit, files)
		}
		for _, file := range files {
			info, err := os.Stat(file)
			if err != nil || info.Size() > limit.Size {
				t.Errorf("%+v: %s has %d bytes, %v", limit, file, info.Size(), err)
			}
		}
		if got, _ := text(t, dir, LogQuery{Tail: 1}); got != "line 1999\n" {
			t.Errorf("%+v: the last line is %q", limit, got)
		}
	}
}

// TestTail compares the search from the end with the whole.
func TestTail(t *testing.T) {
	dir := t.TempDir()
	log, err := OpenLog(dir, LogLimit{4 << 10, 5})
	if err != nil {
		t.Fatal(err)
	}
	out := log.Stream(Stdout)
	for i := range 150 {
		fmt.Fprintf(out, "%d %s\n", i, strings.Repeat("x", i%70))
	}
	log.Close()
	all, _ := text(t, dir, LogQuery{Tail: -1})
	lines := strings.SplitAfter(strings.TrimSuffix(all, "\n"), "\n")
	for n := range len(lines) + 2 {
		want := strings.Join(lines[max(0, len(lines)-n):], "")
		if got, _ := text(t, dir, LogQuery{Tail: n}); strings.TrimSuffix(got, "\n") != want {
			t.Fatalf("the last %d: %q, want %q", n, got, want)
		}
	}
}

// TestLogFollow: a reader that is slower or faster than the writer misses
// nothing that has not been rotated away.
func TestLogFollow(t *testing.T) {
	dir := t.TempDir()
	log, err := OpenLog(dir, LogLimit{2 << 10, 200})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	over := false
	var want bytes.Buffer
	go func() {
		out := log.Stream(Stdout)
		for i := range 3000 {
			line := fmt.Sprintf("line %d\n", i)
			want.WriteString(line)
			_, _ = out.Write([]byte(line))
			if i%500 == 0 {
				time.Sleep(20 * time.Millisecond)
			}
		}
		log.Close()
		mu.Lock()
		over = true
		mu.Unlock()
	}()
	got, _ := text(t, dir, LogQuery{Tail: -1, Follow: func() bool {
		mu.Lock()
		defer mu.Unlock()
		return !over
	}})
	if got != want.String() {
		t.Errorf("followed %d bytes, written %d", len(got), want.Len())
	}
}

// TestForeignLog: what others wrote into the files is passed over.
func TestForeignLog(t *testing.T) {
	dir := t.TempDir()
	foreign := "not json\n{}\n" + strings.Repeat("x", maxLogEntry*2) + "\n" +
		`{"log":"good\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}` + "\n" + `{"log":"torn`
	if err := os.WriteFile(logPath(dir, 0), []byte(foreign), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := OpenLog(dir, LogLimit{})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = log.Stream(Stdout).Write([]byte("next\n"))
	log.Close()
	if got, _ := text(t, dir, LogQuery{Tail: -1}); got != "good\nnext\n" {
		t.Errorf("read %q", got)
	}
	link := t.TempDir()
	if err := os.Symlink("/etc/passwd", logPath(link, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLog(link, LogLimit{}); err == nil {
		t.Error("a link was opened as a log")
	}
}

func FuzzLogLine(f *testing.F) {
	f.Add([]byte(`{"log":"a\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"log":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		line, ok := parseLogLine(data)
		if ok && line.Stream != Stdout && line.Stream != Stderr {
			t.Errorf("stream %q", line.Stream)
		}
		written := appendEntry(nil, data, Stdout, time.Unix(1, 0))
		again, ok := parseLogLine(written)
		if !ok || again.Text != strings.ToValidUTF8(again.Text, "\ufffd") || bytes.Count(written, []byte("\n")) != 1 {
			t.Errorf("%q is written as %q", data, written)
		}
	})
}

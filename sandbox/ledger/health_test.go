package ledger

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestHealthIsBounded: however much checks write, little of it is kept, in a
// file of its own.
func TestHealthIsBounded(t *testing.T) {
	l, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	id := strings.Repeat("a", 64)
	e, err := l.Create(Container{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if got := l.Health(id); got.Log != nil || l.Health("nobody").Log != nil {
		t.Errorf("before any check: %+v", got)
	}
	h := Health{FailingStreak: 7}
	for i := range 9 {
		h.Log = append(h.Log, Check{Start: time.Unix(int64(i), 0).UTC(), ExitCode: i, Output: strings.Repeat("é\xff<", MaxCheckOutput)})
	}
	if err := e.SetHealth(h); err != nil {
		t.Fatal(err)
	}
	got := l.Health(id)
	if got.FailingStreak != 7 || len(got.Log) != MaxChecks || got.Log[0].ExitCode != 4 || got.Log[4].ExitCode != 8 {
		t.Errorf("kept: streak %d, %d checks", got.FailingStreak, len(got.Log))
	}
	for _, c := range got.Log {
		if len(c.Output) > MaxCheckOutput || len(c.Output) < MaxCheckOutput-3 || !utf8.ValidString(c.Output) {
			t.Errorf("%d bytes are kept", len(c.Output))
		}
	}
	path := filepath.Join(l.Dir(id), healthFile)
	if info, err := os.Stat(path); err != nil || info.Size() > 5*6*MaxCheckOutput+1024 || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	for _, damage := range []string{"", "null{}", `{"failingStreak":-1}`, `{"log":7}`, "[]"} {
		if err := os.WriteFile(path, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := l.Health(id); got.FailingStreak != 0 || got.Log != nil {
			t.Errorf("%q: %+v", damage, got)
		}
	}
}

func FuzzHealth(f *testing.F) {
	f.Add([]byte(`{"failingStreak":2,"log":[{"start":"2026-01-02T03:04:05Z","exitCode":-1,"output":"x"}]}`))
	f.Add([]byte(`{"log":[{},{},{},{},{},{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		h := parseHealth(data)
		if len(h.Log) > MaxChecks || h.FailingStreak < 0 {
			t.Fatalf("%+v", h)
		}
		if _, err := json.Marshal(h); err != nil {
			t.Fatal(err)
		}
	})
}

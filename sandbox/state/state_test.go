package state

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/safe-run/safe-run/spec/problem"
)

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTakeGivesEachItsOwn(t *testing.T) {
	s := open(t)
	const n = 64
	var mu sync.Mutex
	slots, ids := map[int]bool{}, map[string]bool{}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			rec, err := s.Take(NewID(), "", n)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if slots[rec.Slot] || ids[rec.ID] {
				t.Errorf("slot %d or id %s given twice", rec.Slot, rec.ID)
			}
			slots[rec.Slot], ids[rec.ID] = true, true
		})
	}
	wg.Wait()
	if _, err := s.Take(NewID(), "", n); err == nil || problem.HintOf(err) == "" {
		t.Errorf("slot %d of %d: error %v, want one with a hint", n+1, n, err)
	}
	for id := range ids {
		rec, err := s.Load(id)
		if err != nil {
			t.Fatal(err)
		}
		if !rec.Alive() {
			t.Errorf("the record of this very process is not alive: %+v", rec)
		}
		if err := errors.Join(s.Release(rec), s.Release(rec)); err != nil {
			t.Errorf("release twice: %v", err)
		}
	}
	empty(t, s)
}

// empty checks that nothing is left in a store but its directories.
func empty(t *testing.T, s *Store) {
	t.Helper()
	for _, dir := range []string{"ids", "names", "sandboxes"} {
		entries, err := os.ReadDir(filepath.Join(s.Root, dir))
		if err != nil || len(entries) != 0 {
			t.Errorf("%s: left %v, %v", dir, entries, err)
		}
	}
}

func TestNames(t *testing.T) {
	s := open(t)
	rec, err := s.Take(NewID(), "web-1", 4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Take(NewID(), "web-1", 4); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a name taken twice: %v", err)
	}
	for _, bad := range []string{"../x", "a/b", "-x", ".", "a b", strings.Repeat("x", 64), "x\n"} {
		if _, err := s.Take(NewID(), bad, 4); err == nil {
			t.Errorf("name %q was taken", bad)
		}
	}
	if err := s.Release(rec); err != nil {
		t.Fatal(err)
	}
	empty(t, s)
}

// TestReleaseTwiceAtOnce: launcher, warden and `safe-run gc` may all release one
// sandbox at the same moment, while the next one waits for its name. None of
// them may take the name away from that one.
func TestReleaseTwiceAtOnce(t *testing.T) {
	s := open(t)
	old, err := s.Take(NewID(), "name", 4)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 300 {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := s.Release(old); err != nil {
					t.Error(err)
				}
			})
		}
		var next Record
		for next.ID == "" {
			if rec, err := s.Take(NewID(), "name", 4); err == nil {
				next = rec
			}
		}
		wg.Wait()
		for _, path := range []string{filepath.Join(s.Root, "names", "name"), filepath.Join(s.Root, "ids", strconv.Itoa(next.Slot))} {
			if id, err := os.ReadFile(path); err != nil || string(id) != next.ID {
				t.Fatalf("round %d: %s was taken away from who holds it: %q, %v", round, path, id, err)
			}
		}
		old = next
	}
}

func TestReleaseClaimsTakesBackWhatACrashLeft(t *testing.T) {
	s := open(t)
	kept, err := s.Take(NewID(), "kept", 4)
	if err != nil {
		t.Fatal(err)
	}
	lost, err := s.Take(NewID(), "lost", 4)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(s.Dir(lost.ID)); err != nil {
		t.Fatal(err)
	}
	if err := s.ReleaseClaims(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.Root, "names", "lost")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lost name is still taken: %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.Root, "names", "kept")); err != nil {
		t.Errorf("the kept name is gone: %v", err)
	}
	if err := s.Release(kept); err != nil {
		t.Fatal(err)
	}
	empty(t, s)
}

func TestAliveKnowsAReusedPid(t *testing.T) {
	rec, err := open(t).Take(NewID(), "", 1)
	if err != nil {
		t.Fatal(err)
	}
	rec.LauncherStart++
	if rec.Alive() {
		t.Error("a process with another start time was taken for the launcher")
	}
}

func TestListIgnoresForeignEntries(t *testing.T) {
	s := open(t)
	for _, name := range []string{"x", strings.Repeat("Z", 64), strings.Repeat("A", 64)} {
		if err := os.Mkdir(filepath.Join(s.Root, "sandboxes", name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if ids, err := s.List(); err != nil || len(ids) != 0 {
		t.Errorf("List = %v, %v", ids, err)
	}
}

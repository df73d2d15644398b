package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestRename(t *testing.T) {
	s := open(t)
	rec, err := s.Take(NewID(), "old", 4)
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.Take(NewID(), "other", 4)
	if err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	if err := s.Rename(rec.ID, "new", func() error { return refused }); !errors.Is(err, refused) || s.Holder("new") != "" || s.Holder("old") != rec.ID {
		t.Errorf("after one that is refused: %v, new is %q", err, s.Holder("new"))
	}
	fine := func() error { return nil }
	if err := s.Rename(rec.ID, "other", fine); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("to a name in use: %v", err)
	}
	if err := s.Rename(rec.ID, "a/b", fine); err == nil {
		t.Error("to a name that is none")
	}
	if err := s.Rename(rec.ID, "new", fine); err != nil {
		t.Fatal(err)
	}
	if now, err := s.Load(rec.ID); err != nil || now.Name != "new" || s.Holder("new") != rec.ID || s.Holder("old") != "" {
		t.Errorf("%+v, %v: old is %q", now, err, s.Holder("old"))
	}
	// Whoever made it still knows it by its old name.
	if err := errors.Join(s.Release(rec), s.Release(other)); err != nil {
		t.Fatal(err)
	}
	empty(t, s)
}

// TestRenameInterrupted: a crash after any step leaves what ReleaseClaims mends,
// and a sandbox keeps the name that its record has.
func TestRenameInterrupted(t *testing.T) {
	s := open(t)
	rec, err := s.Take(NewID(), "old", 4)
	if err != nil {
		t.Fatal(err)
	}
	link := func(name string) {
		if err := os.Link(s.claimFile(rec.ID), s.namePath(name)); err != nil {
			t.Fatal(err)
		}
	}
	link("new") // killed before its record was written
	if err := s.ReleaseClaims(); err != nil || s.Holder("new") != "" || s.Holder("old") != rec.ID {
		t.Errorf("%v: new is %q, old %q", err, s.Holder("new"), s.Holder("old"))
	}
	link("new") // killed after it
	if err := s.Update(rec.ID, func(r *Record) { r.Name = "new" }); err != nil {
		t.Fatal(err)
	}
	if err := s.ReleaseClaims(); err != nil || s.Holder("new") != rec.ID || s.Holder("old") != "" {
		t.Errorf("%v: new is %q, old %q", err, s.Holder("new"), s.Holder("old"))
	}
	link("again") // an attempt that is made once more
	if err := s.Rename(rec.ID, "again", func() error { return nil }); err != nil {
		t.Error(err)
	}
	if err := s.Release(rec); err != nil {
		t.Fatal(err)
	}
	empty(t, s)
}

// TestRenamedTogether: whoever renames last has the last word, and no name stays
// behind.
func TestRenamedTogether(t *testing.T) {
	s := open(t)
	rec, err := s.Take(NewID(), "old", 4)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			if err := s.Rename(rec.ID, name, func() error { return nil }); err != nil {
				t.Error(err)
			}
			if err := s.ReleaseClaims(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	now, err := s.Load(rec.ID)
	names, _ := os.ReadDir(filepath.Join(s.Root, "names"))
	if err != nil || len(names) != 1 || names[0].Name() != now.Name {
		t.Errorf("%+v, %v: names %v", now, err, names)
	}
	if err := s.Release(now); err != nil {
		t.Fatal(err)
	}
	empty(t, s)
}

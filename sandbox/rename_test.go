package sandbox

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/event"
)

// TestRenameMended: whatever step a rename was interrupted after, gc makes the
// sandbox's name what the ledger says.
func TestRenameMended(t *testing.T) {
	t.Setenv(ledger.DirVariable, filepath.Join(t.TempDir(), "ledger"))
	book, err := ledger.Open("")
	if err != nil {
		t.Fatal(err)
	}
	store, err := state.Open(filepath.Join(t.TempDir(), "run"))
	if err != nil {
		t.Fatal(err)
	}
	id := state.NewID()
	entry, err := book.Create(ledger.Container{ID: id, Name: "old"})
	if err != nil {
		t.Fatal(err)
	}
	defer entry.Close()
	rec, err := store.Take(id, "old", 4)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Release(rec)
	if err := book.Rename(id, "new"); err != nil { // and nothing else
		t.Fatal(err)
	}
	if err := mendNames(store); err != nil {
		t.Fatal(err)
	}
	if now, err := store.Load(id); err != nil || now.Name != "new" || store.Holder("new") != id || store.Holder("old") != "" {
		t.Errorf("%+v, %v; old is %q", now, err, store.Holder("old"))
	}

	if err := Rename(store.Root, "new", "newest"); err != nil {
		t.Fatal(err)
	}
	if c, _, err := book.Find("newest"); err != nil || c.ID != id || store.Holder("newest") != id || book.Taken("new") {
		t.Errorf("%+v, %v", c, err)
	}
	other, err := store.Take(state.NewID(), "other", 4)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Release(other)
	if err := Rename(store.Root, "newest", "other"); err == nil || !strings.Contains(err.Error(), "in use") || book.Taken("other") {
		t.Errorf("to the name of one in the foreground: %v", err)
	}
	var renames []string
	_ = book.Events(t.Context(), rec.Created.Add(-1), rec.Created.AddDate(1, 0, 0), false, func(e event.Event) error {
		renames = append(renames, e.Action+" "+e.Attributes["oldName"]+" "+e.Attributes["name"])
		return nil
	})
	if got := strings.Join(renames, ", "); got != "rename new newest" {
		t.Errorf("told: %s", got)
	}
}

// TestLastWords: of several who collect a sandbox one tells of its end, and no
// ledger is made for that.
func TestLastWords(t *testing.T) {
	t.Setenv(ledger.DirVariable, filepath.Join(t.TempDir(), "ledger"))
	store, err := state.Open(filepath.Join(t.TempDir(), "run"))
	if err != nil {
		t.Fatal(err)
	}
	rec, err := store.Take(state.NewID(), "gone", 4)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Release(rec)
	rec.Launcher, rec.Executed = 1<<30, rec.Created // nobody's
	tellLast(store, rec)
	if all, err := ledger.Look(""); err != nil || all != nil {
		t.Errorf("a ledger was made: %v, %v", all, err)
	}
	book, err := ledger.Open("")
	if err != nil {
		t.Fatal(err)
	}
	never := rec
	never.Executed = time.Time{}
	for _, rec := range []state.Record{never, rec, rec, rec} {
		tellLast(store, rec)
	}
	var words []string
	_ = book.Events(t.Context(), rec.Created.Add(-1), rec.Created.AddDate(1, 0, 0), false, func(e event.Event) error {
		words = append(words, e.Action+" "+e.Attributes["name"]+" "+e.Attributes["exitCode"])
		return nil
	})
	if got := strings.Join(words, ", "); got != "die gone 137, destroy gone " {
		t.Errorf("told: %q", got)
	}
}

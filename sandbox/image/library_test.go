package image

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/spec/problem"
)

// TestLibrary removes and collects: what is in use, or is meant by a
// reference, stays.
func TestLibrary(t *testing.T) {
	s := newStore(t)
	digest := func(n string) string { return "sha256:" + strings.Repeat(n, 64) }
	for _, n := range []string{"1", "2", "3"} {
		must(t, s.PutEntry(&Entry{Digest: digest(n), ConfigRaw: digest(n), Layers: []EntryLayer{
			{Chain: digest("a"), DiffID: digest("a"), Blob: digest("b")}, {Chain: digest("c" + n)[:71], DiffID: digest("a"), Blob: digest("b")},
		}}))
		must(t, os.MkdirAll(filepath.Join(s.Layer(digest("c" + n)[:71]), "f"), 0o755))
	}
	must(t, os.Mkdir(s.Layer(digest("a")), 0o755))
	write(t, filepath.Join(s.Layer(digest("a")), "file"), "12345", 0o600)
	write(t, s.Blob(digest("b")), "blob", 0o600)
	write(t, s.Blob(digest("d")), "unmeant", 0o600)
	write(t, s.Partial(digest("e")), "cut", 0o600)
	one, two := Reference{Path: "one:latest"}, Reference{Path: "two:latest"}
	must(t, s.PutRecord(one, &Record{Digest: digest("1")}))
	must(t, s.PutRecord(two, &Record{Digest: digest("2")}))

	if freed, err := s.Collect(time.Now().Add(-time.Hour)); err != nil || freed != 0 {
		t.Errorf("what is new was collected: %d bytes, %v", freed, err)
	}
	freed, err := s.Collect(time.Now().Add(time.Hour))
	if want := int64(len("unmeant") + len("cut")); err != nil || freed != want {
		t.Errorf("%d bytes were freed, want %d (%v)", freed, want, err)
	}
	lock, err := s.Share(t.Context(), digest("2"))
	must(t, err)
	if err := s.Remove(digest("2")); err == nil || problem.HintOf(err) == "" {
		t.Errorf("an image in use was removed: %v", err)
	}
	gone, err := s.Prune(false, nil)
	if err != nil || len(gone) != 1 || gone[0] != digest("3") {
		t.Errorf("gone are %q, want what nothing means (%v)", gone, err)
	}
	gone, err = s.Prune(true, nil)
	if err != nil || len(gone) != 1 || gone[0] != digest("1") || s.Record(one) != nil || s.Record(two) == nil {
		t.Errorf("gone are %q, want what is not in use (%v)", gone, err)
	}
	must(t, lock.Release())
	must(t, s.Forget(two))
	if err := s.Forget(two); err == nil || problem.HintOf(err) == "" {
		t.Errorf("what is not there was forgotten: %v", err)
	}
	if gone, err = s.Prune(false, nil); err != nil || len(gone) != 1 {
		t.Errorf("gone are %q, %v", gone, err)
	}
	_, err = s.Collect(time.Now().Add(time.Hour))
	must(t, err)
	for _, dir := range []string{"layers", "blobs", "partial", "images", "refs"} {
		if left, err := os.ReadDir(filepath.Join(s.Path(), dir)); err != nil || len(left) > 0 {
			t.Errorf("%s has %d files left (%v)", dir, len(left), err)
		}
	}
}

// TestCollectUnknown: the layers of an image that a sandbox runs from stay,
// even when its entry is of another version.
func TestCollectUnknown(t *testing.T) {
	s := newStore(t)
	digest := "sha256:" + strings.Repeat("1", 64)
	must(t, s.PutEntry(&Entry{Digest: digest, ConfigRaw: digest, Layers: []EntryLayer{{Chain: digest, DiffID: digest, Blob: digest}}}))
	must(t, os.Mkdir(s.Layer(digest), 0o755))
	file := filepath.Join(s.Path(), "images", strings.Replace(digest, ":", "-", 1)+".json")
	must(t, os.WriteFile(file, []byte(`{"version":1}`), 0o600))
	lock, err := s.Share(t.Context(), digest)
	must(t, err)
	if _, err := s.Collect(time.Now().Add(time.Hour)); err != nil || !isDirectory(s.Layer(digest)) {
		t.Errorf("a layer that is in use was removed (%v)", err)
	}
	must(t, lock.Release())
	if _, err := s.Collect(time.Now().Add(time.Hour)); err != nil || isDirectory(s.Layer(digest)) {
		t.Errorf("a layer that nothing needs was kept (%v)", err)
	}
}

// TestCollectOdd removes what cannot be counted, and what was cut off while it
// was written.
func TestCollectOdd(t *testing.T) {
	s := newStore(t)
	dir := s.Layer("sha256:" + strings.Repeat("1", 64))
	must(t, os.Mkdir(dir, 0o755))
	root, err := os.OpenRoot(dir)
	must(t, err)
	for range 20 { // a path that no system call takes
		must(t, root.Mkdir(strings.Repeat("d", 250), 0o755))
		next, err := root.OpenRoot(strings.Repeat("d", 250))
		must(t, errors.Join(err, root.Close()))
		root = next
	}
	must(t, root.Close())
	half := filepath.Join(s.Path(), "refs", "new-123")
	write(t, half, "{", 0o600)
	if _, err := s.Collect(time.Now().Add(-time.Hour)); err != nil || !exists(half) {
		t.Errorf("what is being written was removed (%v)", err)
	}
	if _, err := s.Collect(time.Now().Add(time.Hour)); err != nil || isDirectory(dir) || exists(half) {
		t.Errorf("it was not removed: %v", err)
	}
}

// TestAlone: what adds to the store keeps it from being collected.
func TestAlone(t *testing.T) {
	s := newStore(t)
	use, err := s.Use(t.Context())
	must(t, err)
	if alone, err := s.TryAlone(); alone != nil || err != nil {
		t.Errorf("alone %v, %v while it is used", alone, err)
	}
	must(t, use.Release())
	alone, err := s.TryAlone()
	if alone == nil || err != nil {
		t.Fatalf("not alone: %v", err)
	}
	must(t, alone.Release())
}

// TestUnfinishedIsNone: one who is killed while it writes an image down leaves a
// whole document without a name of its own, which is no second image.
func TestUnfinishedIsNone(t *testing.T) {
	s := newStore(t)
	digest := "sha256:" + strings.Repeat("1", 64)
	must(t, s.PutEntry(&Entry{Digest: digest, ConfigRaw: digest, Layers: []EntryLayer{{Chain: digest, DiffID: digest, Blob: digest}}}))
	files, err := os.ReadDir(s.path("images"))
	must(t, err)
	must(t, os.Link(s.path("images", files[0].Name()), s.path("images", unfinished+"1")))
	if entries, err := s.Entries(); err != nil || len(entries) != 1 {
		t.Errorf("%d images, %v", len(entries), err)
	}
}

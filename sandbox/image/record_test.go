package image

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

var someDigest = "sha256:" + strings.Repeat("0a", 32)

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := CreateStore(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRecord(t *testing.T) {
	s := newStore(t)
	file := filepath.Join(t.TempDir(), "x.tar")
	write(t, file, "one", 0o644)
	ref, err := Locate(Reference{Transport: OCIArchive, Path: file, Tag: "v1"})
	must(t, err)
	stamps, err := Stamps(ref)
	must(t, err)
	if s.Record(ref) != nil {
		t.Fatal("there is a record in a new store")
	}
	now := time.Now()
	want := &Record{Source: stamps, Digest: someDigest, Trust: "sha256:x", Expires: now.Add(time.Hour).UTC(), Pulled: now.UTC()}
	must(t, s.PutRecord(ref, want))
	got := s.Record(ref)
	if !reflect.DeepEqual(got, want) || !got.Holds(ref, spec.Trust{}, "sha256:x", now) {
		t.Errorf("record %+v, want %+v", got, want)
	}
	other := ref
	other.Tag = "v2"
	if s.Record(other) != nil || want.Holds(other, spec.Trust{}, "sha256:x", now) {
		t.Error("another tag has the same record")
	}
	if got.Holds(ref, spec.Trust{}, "sha256:y", now) {
		t.Error("it holds under another policy")
	}
	if got.Holds(ref, spec.Trust{}, "sha256:x", now.Add(2*time.Hour)) {
		t.Error("it holds after its time")
	}
	if got.Holds(ref, spec.Trust{RequireDigest: true}, "sha256:x", now) {
		t.Error("it holds under a name that has no digest, although one is asked for")
	}
	pinned := Reference{Path: "app@" + someDigest}
	must(t, s.PutRecord(pinned, &Record{Digest: someDigest, Trust: "sha256:x"}))
	if !s.Record(pinned).Holds(pinned, spec.Trust{RequireDigest: true}, "sha256:x", now) {
		t.Error("it does not hold under a name with its digest")
	}
	must(t, s.Forget(pinned))
	for name, change := range map[string]func(){
		"content of the same size": func() { time.Sleep(10 * time.Millisecond); write(t, file, "two", 0o644) },
		"size":                     func() { write(t, file, "three", 0o644) },
		"another file":             func() { write(t, file+"2", "three", 0o644); must(t, os.Rename(file+"2", file)) },
		"old time put back": func() {
			info, err := os.Stat(file)
			must(t, err)
			time.Sleep(10 * time.Millisecond)
			write(t, file, "THREE", 0o644)
			must(t, os.Chtimes(file, info.ModTime(), info.ModTime()))
		},
	} {
		before, err := Stamps(ref)
		must(t, err)
		if !Fresh(before) {
			t.Errorf("%s: a change was seen before it was made", name)
		}
		change()
		if Fresh(before) {
			t.Errorf("%s: the change was not seen", name)
		}
	}
	left, err := os.ReadDir(filepath.Join(s.Path(), "refs"))
	if err != nil || len(left) != 1 {
		t.Errorf("the store has %d records, want 1 (%v)", len(left), err)
	}
}

func TestRecordRefused(t *testing.T) {
	good := Record{Version: recordVersion, Digest: someDigest}
	for name, change := range map[string]func(*Record){
		"version":          func(r *Record) { r.Version++ },
		"no digest":        func(r *Record) { r.Digest = "" },
		"digest of a path": func(r *Record) { r.Digest = "sha256:../../../etc" },
		"upper case":       func(r *Record) { r.Digest = strings.ToUpper(r.Digest) },
	} {
		bad := good
		change(&bad)
		b, err := json.Marshal(bad)
		must(t, err)
		if _, err := DecodeRecord(b); err == nil {
			t.Errorf("%s: the record was read", name)
		}
	}
}

// someEntry is an image of two layers.
func someEntry() *Entry {
	layer := EntryLayer{Chain: someDigest, DiffID: someDigest, Blob: someDigest, Size: 5}
	return &Entry{Digest: someDigest, ConfigRaw: someDigest, Layers: []EntryLayer{layer, layer}, Config: spec.ImageConfig{User: "u"}}
}

func TestEntry(t *testing.T) {
	s := newStore(t)
	must(t, s.PutEntry(someEntry()))
	got := s.Entry(someDigest)
	if !reflect.DeepEqual(got, func() *Entry { e := someEntry(); e.Version = recordVersion; return e }()) {
		t.Fatalf("entry %+v", got)
	}
	if s.Complete(got) {
		t.Error("it is complete without its layers")
	}
	must(t, os.Mkdir(s.Layer(someDigest), 0o755))
	if !s.Complete(got) {
		t.Error("it is not complete with its layers")
	}
	for name, change := range map[string]func(*Entry){
		"digest": func(e *Entry) { e.Digest = "../x" }, "config": func(e *Entry) { e.ConfigRaw = "" },
		"index": func(e *Entry) { e.Index = "sha256:.." }, "chain": func(e *Entry) { e.Layers[1].Chain = "sha256:../../x" },
		"diff id": func(e *Entry) { e.Layers[0].DiffID = "" }, "blob": func(e *Entry) { e.Layers[0].Blob = "/etc/passwd" },
	} {
		bad := someEntry()
		change(bad)
		if s.PutEntry(bad) == nil {
			t.Errorf("%s: it was written", name)
		}
		b, err := json.Marshal(bad)
		must(t, err)
		if _, err := DecodeEntry(b); err == nil {
			t.Errorf("%s: it was read", name)
		}
	}
	if s.Entry("../refs/x") != nil || s.Entry("sha256:"+strings.Repeat("0b", 32)) != nil {
		t.Error("there is an entry of another digest")
	}
}

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
	gone, err := s.Prune(false)
	if err != nil || len(gone) != 1 || gone[0] != digest("3") {
		t.Errorf("gone are %q, want what nothing means (%v)", gone, err)
	}
	gone, err = s.Prune(true)
	if err != nil || len(gone) != 1 || gone[0] != digest("1") || s.Record(one) != nil || s.Record(two) == nil {
		t.Errorf("gone are %q, want what is not in use (%v)", gone, err)
	}
	must(t, lock.Release())
	must(t, s.Forget(two))
	if err := s.Forget(two); err == nil || problem.HintOf(err) == "" {
		t.Errorf("what is not there was forgotten: %v", err)
	}
	if gone, err = s.Prune(false); err != nil || len(gone) != 1 {
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

// TestRecordDamaged checks that a record which cannot be read is no record: it
// is then written again.
func TestRecordDamaged(t *testing.T) {
	s := newStore(t)
	ref := Reference{Transport: OCI, Path: "/x"}
	path := filepath.Join(s.Path(), "refs", recordName(ref))
	for name, make := range map[string]func(){
		"junk":      func() { write(t, path, "junk", 0o600) },
		"empty":     func() { write(t, path, "", 0o600) },
		"a link":    func() { must(t, os.Symlink("/etc/passwd", path)) },
		"directory": func() { must(t, os.Mkdir(path, 0o700)) },
		"a fifo":    func() { mkfifo(t, path) },
		"too large": func() { write(t, path, "{}", 0o600); must(t, os.Truncate(path, maxRecord+1)) },
	} {
		make()
		if s.Record(ref) != nil {
			t.Errorf("%s: there is a record", name)
		}
		must(t, os.Remove(path))
	}
}

func FuzzRecord(f *testing.F) {
	good, err := json.Marshal(Record{Version: recordVersion, Digest: someDigest, Source: []Stamp{{Path: "/x/index.json", Size: 5}}})
	must(f, err)
	f.Add(good)
	entry := someEntry()
	entry.Version = recordVersion
	b, err := json.Marshal(entry)
	must(f, err)
	f.Add(b)
	f.Add([]byte(`{"version":2,"digest":"sha256:..","layers":[{"chain":"/"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := DecodeRecord(b); err == nil && !ValidDigest(r.Digest) {
			t.Errorf("record of %q", r.Digest)
		}
		e, err := DecodeEntry(b)
		if err != nil {
			return
		}
		s := &Store{dir: "/store"}
		for _, path := range append(s.Trees(e), s.Blob(e.Digest)) {
			if filepath.Dir(filepath.Dir(path)) != "/store" {
				t.Errorf("it leads to %q", path)
			}
		}
		again, err := json.Marshal(e)
		must(t, err)
		if _, err := DecodeEntry(again); err != nil {
			t.Errorf("it cannot be read again: %v", err)
		}
	})
}

func TestStore(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "open"), 0o700))
	must(t, os.Chmod(filepath.Join(dir, "open"), 0o777))
	must(t, os.Mkdir(filepath.Join(dir, "foreign"), 0o700))
	must(t, os.Chown(filepath.Join(dir, "foreign"), 1234, 0))
	write(t, filepath.Join(dir, "file"), "", 0o600)
	for path, what := range map[string]string{
		"open": "can be written by others", "foreign": "belongs to uid 1234", "file": "not a directory", "file/below": "not a directory",
	} {
		for name, open := range map[string]func(string) (*Store, error){"OpenStore": OpenStore, "CreateStore": CreateStore} {
			_, err := open(filepath.Join(dir, path))
			if err == nil || !strings.Contains(err.Error(), what) || problem.HintOf(err) == "" {
				t.Errorf("%s(%s): %v, hint %q; want %q", name, path, err, problem.HintOf(err), what)
			}
		}
	}
	s, err := CreateStore(filepath.Join(dir, "new", "store"))
	must(t, err)
	for _, name := range append(storeDirs, "") {
		info, err := os.Stat(filepath.Join(s.Path(), name))
		must(t, err)
		if info.Mode().Perm() != 0o700 {
			t.Errorf("%s/%s has mode %v", s.Path(), name, info.Mode())
		}
	}
}

package image

import (
	"encoding/json"
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
	ref, stamps, err := Locate(Reference{Transport: OCIArchive, Path: file, Tag: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Record(ref) != nil {
		t.Fatal("there is a record in a new store")
	}
	want := NewRecord(ref, stamps, someDigest, spec.ImageConfig{User: "u", Env: []string{"A=b"}})
	if err := s.PutRecord(ref, want); err != nil {
		t.Fatal(err)
	}
	if got := s.Record(ref); !reflect.DeepEqual(got, want) || !got.Describes(ref, stamps) {
		t.Errorf("record %+v, want %+v", got, want)
	}
	if other := ref; true {
		other.Tag = "v2"
		if s.Record(other) != nil || want.Describes(other, stamps) {
			t.Error("another tag has the same record")
		}
	}
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
		_, before, err := Locate(ref)
		must(t, err)
		change()
		_, after, err := Locate(ref)
		must(t, err)
		if reflect.DeepEqual(before, after) {
			t.Errorf("%s: the change was not seen", name)
		}
	}
	left, err := os.ReadDir(filepath.Join(s.Path(), "records"))
	if err != nil || len(left) != 1 {
		t.Errorf("the store has %d records, want 1 (%v)", len(left), err)
	}
}

func TestRecordRefused(t *testing.T) {
	good := NewRecord(Reference{Transport: OCI, Path: "/x"}, nil, someDigest, spec.ImageConfig{})
	for name, change := range map[string]func(*Record){
		"version":          func(r *Record) { r.Version++ },
		"no digest":        func(r *Record) { r.Digest = "" },
		"digest of a path": func(r *Record) { r.Digest = "sha256:../../../etc" },
		"upper case":       func(r *Record) { r.Digest = strings.ToUpper(r.Digest) },
		"another rootfs":   func(r *Record) { r.Rootfs = "images/../../etc" },
	} {
		bad := *good
		change(&bad)
		b, err := json.Marshal(bad)
		must(t, err)
		if _, err := DecodeRecord(b); err == nil {
			t.Errorf("%s: the record was read", name)
		}
	}
}

// TestRecordDamaged checks that a record which cannot be read is no record: it
// is then written again.
func TestRecordDamaged(t *testing.T) {
	s := newStore(t)
	ref := Reference{Transport: OCI, Path: "/x"}
	path := filepath.Join(s.Path(), "records", recordName(ref))
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
	good, err := json.Marshal(NewRecord(Reference{Transport: OCI, Path: "/x"}, []Stamp{{Name: "index.json", Size: 5}}, someDigest, spec.ImageConfig{User: "1"}))
	must(f, err)
	f.Add(good)
	f.Add([]byte(`{"version":1,"digest":"sha256:..","rootfs":"/"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeRecord(b)
		if err != nil {
			return
		}
		if !ValidDigest(r.Digest) || !filepath.IsLocal(r.Rootfs) || filepath.Dir(filepath.Dir(r.Rootfs)) != "images" {
			t.Errorf("record of %q at %q", r.Digest, r.Rootfs)
		}
		again, err := json.Marshal(r)
		must(t, err)
		if _, err := DecodeRecord(again); err != nil {
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

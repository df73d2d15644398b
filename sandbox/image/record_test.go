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

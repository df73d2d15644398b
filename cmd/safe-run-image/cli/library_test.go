package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/sandbox/image"
)

// TestOneName: a bare name and what it was found as are one line of ls, and go
// together; another name of the image stays.
func TestOneName(t *testing.T) {
	dir, digest := t.TempDir()+"/store", "sha256:"+strings.Repeat("a", 64)
	store, err := image.CreateStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]string{"h:5/app:1": "docker://h:5/app:1", "docker://h:5/app:1": "", "mine:2": "docker://h:5/app:1"} {
		ref, err := image.Parse(name)
		if err == nil {
			err = store.PutRecord(ref.Full(), &image.Record{Digest: digest, From: from})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	listed := func() (names []string) {
		lib, err := openLibrary(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lib.list() {
			names = append(names, l.Reference)
		}
		return names
	}
	if got := listed(); !slices.Equal(got, []string{"h:5/app:1", "mine:2"}) {
		t.Errorf("ls shows %q", got)
	}
	for _, step := range []struct {
		name      string
		forgotten []string
		removed   int
		left      []string
	}{
		{"h:5/app:1", []string{"docker://h:5/app:1", "h:5/app:1"}, 0, []string{"mine:2"}},
		{"mine:2", []string{"mine:2"}, 1, nil},
	} {
		lib, err := openLibrary(dir)
		if err != nil {
			t.Fatal(err)
		}
		var done removal
		if err := lib.remove(step.name, false, &done); err != nil {
			t.Fatal(err)
		}
		slices.Sort(done.Forgotten)
		if !slices.Equal(done.Forgotten, step.forgotten) || len(done.Removed) != step.removed {
			t.Errorf("rm %s: %+v", step.name, done)
		}
		if got := listed(); !slices.Equal(got, step.left) {
			t.Errorf("after rm %s ls shows %q", step.name, got)
		}
	}
}

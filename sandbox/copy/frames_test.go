package copy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// stream puts entries into frames; a plain file holds its own name.
func stream(t testing.TB, entries ...Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	for _, e := range entries {
		if e.Kind == File {
			e.Size = int64(len(e.Name))
		}
		if err := w.Put(e, strings.NewReader(e.Name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unframe(t testing.TB, to *Tree, data []byte) error {
	t.Helper()
	j := Job{From: End{Stream: io.Reader(bytes.NewReader(data))}, To: End{Tree: to, Path: "/in"}, Progress: func(int64) {}, LeftOut: func(string) {}}
	return j.Run(t.Context())
}

// TestHostileEntries: an archive reaches nothing outside of where it goes.
func TestHostileEntries(t *testing.T) {
	for _, c := range []struct {
		name    string
		entries []Entry
		says    string
		left    string // below in; nothing may change beside it
	}{
		{"up", []Entry{{Name: "../beside/x", Kind: File}}, `has a part ".."`, ""},
		{"up within", []Entry{{Name: "a/../../beside/x", Kind: File}}, `has a part ".."`, ""},
		{"absolute", []Entry{{Name: "/beside/x", Kind: File}}, "is absolute", ""},
		{"no name", []Entry{{Name: "", Kind: File}}, "has no name", ""},
		{"dot", []Entry{{Name: ".", Kind: File}}, "a file has no name", ""},
		{"NUL", []Entry{{Name: "a\x00b", Kind: File}}, "NUL byte", ""},
		{"slash at the end", []Entry{{Name: "a/", Kind: Dir}}, `has a part ""`, ""},
		{"long", []Entry{{Name: strings.Repeat("a/", 3000) + "a", Kind: File}}, "too long", ""},
		{"through a link", []Entry{{Name: "l", Kind: Symlink, Target: "../beside"}, {Name: "l/x", Kind: File}}, "write /in/l/x: ", "l -> ../beside"},
		{"through an absolute link", []Entry{{Name: "l", Kind: Symlink, Target: "/beside"}, {Name: "l/d", Kind: Dir}}, "write /in/l/d: ", "l -> /beside"},
		{"a directory over a link", []Entry{{Name: "l", Kind: Symlink, Target: "../beside"}, {Name: "l", Kind: Dir}}, "something else of that name", "l -> ../beside"},
		{"a file over a link", []Entry{{Name: "l", Kind: Symlink, Target: "../beside/file"}, {Name: "l", Kind: File}}, "", "l=l"},
		{"a hard link up", []Entry{{Name: "l", Kind: Hard, Target: "../beside/file"}}, `has a part ".."`, ""},
		{"a hard link away", []Entry{{Name: "l", Kind: Hard, Target: "/etc/passwd"}}, "is absolute", ""},
		{"a hard link through a link", []Entry{{Name: "d", Kind: Symlink, Target: "../beside"}, {Name: "l", Kind: Hard, Target: "d/file"}}, "write /in/l: ", "d -> ../beside"},
		{"a hard link to a link", []Entry{{Name: "s", Kind: Symlink, Target: "../beside/file"}, {Name: "l", Kind: Hard, Target: "s"}, {Name: "l", Kind: File}}, "", "l=l s -> ../beside/file"},
		{"a hard link to nothing", []Entry{{Name: "l", Kind: Hard, Target: "none"}}, "is a hard link to none", ""},
		{"a link to a hard link", []Entry{{Name: "a", Kind: File}, {Name: "b", Kind: Hard, Target: "a"}, {Name: "b", Kind: Hard, Target: "a"}}, "", "a=a b=a"},
		{"devices", []Entry{{Name: "c", Kind: Char, Major: 1, Minor: 3}, {Name: "b", Kind: Block}, {Name: "s", Kind: Socket}}, "", ""},
		{"unknown", []Entry{{Name: "u", Kind: "door"}}, "unknown kind", ""},
		{"implied directories", []Entry{{Name: "a/b/c", Kind: File}}, "", "a/ a/b/ a/b/c=a/b/c"},
	} {
		dir := plant(t, t.TempDir(), "in/", "beside/file=old")
		err := unframe(t, inner(t, dir), stream(t, c.entries...))
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := tree(t, dir+"/in"); got != c.left {
			t.Errorf("%s: left %s", c.name, got)
		}
		if got := tree(t, dir+"/beside"); got != "file=old" {
			t.Errorf("%s: beside it is now %s", c.name, got)
		}
	}
}

// TestCutFrames: a stream that ends early is an error, wherever it is cut, and
// leaves no file without its end.
func TestCutFrames(t *testing.T) {
	whole := stream(t, Entry{Name: "first", Kind: File}, Entry{Name: "second", Kind: File})
	for n := range whole {
		dir := plant(t, t.TempDir(), "in/")
		if err := unframe(t, inner(t, dir), whole[:n]); err == nil {
			t.Errorf("cut after %d of %d bytes: no error", n, len(whole))
		}
		if got := tree(t, dir+"/in"); got != "" && got != "first=first" && got != "first=first second=second" {
			t.Errorf("cut after %d bytes: left %s", n, got)
		}
	}
}

// TestFailedContent: a reason that comes in place of content is no content.
func TestFailedContent(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b)
	if err := w.Put(Entry{Name: "x", Kind: File, Size: 10}, strings.NewReader("short")); err == nil || !strings.Contains(err.Error(), "x ends too early") {
		t.Errorf("content that is too short: %v", err)
	}
	if err := w.Fail(errors.New("the disk is gone")); err != nil {
		t.Fatal(err)
	}
	dir := plant(t, t.TempDir(), "in/")
	if err := unframe(t, inner(t, dir), b.Bytes()); err == nil || err.Error() != "the disk is gone" {
		t.Errorf("%v", err)
	}
	if got := tree(t, dir+"/in"); got != "" {
		t.Errorf("left %s", got)
	}
}

// FuzzEntries: whatever a stream holds, only the directory it goes to changes.
func FuzzEntries(f *testing.F) {
	f.Add(stream(f, Entry{Name: "a/b", Kind: File, Mode: 0o644}, Entry{Name: "a", Kind: Dir, Mode: 0o755}))
	f.Add(stream(f, Entry{Name: "l", Kind: Symlink, Target: "../beside"}, Entry{Name: "l/x", Kind: File}))
	f.Add(stream(f, Entry{Name: "h", Kind: Hard, Target: "../beside/file"}, Entry{Name: "p", Kind: FIFO}, Entry{Name: ".", Kind: Dir}))
	f.Add([]byte{0, 0, 0, 2, '{', '}', 0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := plant(t, t.TempDir(), "in/", "beside/file=old")
		err := unframe(t, inner(t, dir), data)
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q has more than one line", err)
		}
		if got := tree(t, dir+"/beside"); got != "file=old" {
			t.Errorf("beside it is now %s", got)
		}
		if names, err := os.ReadDir(dir); err != nil || len(names) != 2 {
			t.Errorf("beside it are now %v, %v", names, err)
		}
	})
}

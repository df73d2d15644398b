package copy

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
)

// TestManyDirectories: an archive that says the same long name again and again
// does not fill the memory.
func TestManyDirectories(t *testing.T) {
	dir := t.TempDir()
	in := inner(t, dir)
	err := onThread(func(as *user) error {
		w := Job{Archive: true}.writer(&dest{words: words{path: "/"}, found: found{dir: true}, dir: in.Root}, as)
		w.tree, w.names = in, mostNames-1000
		defer w.forget()
		for range 1000 {
			if err := w.put(t.Context(), Entry{Name: strings.Repeat("d", 200), Kind: Dir, Mode: 0o755, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "too many directories") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
}

// TestManyLinked: where no more names can be remembered, a hard link becomes a
// file of its own.
func TestManyLinked(t *testing.T) {
	dir := plant(t, t.TempDir(), "d/a=1", "d/y=2")
	for _, link := range [][2]string{{"a", "b"}, {"y", "z"}} {
		if err := os.Link(dir+"/d/"+link[0], dir+"/d/"+link[1]); err != nil {
			t.Fatal(err)
		}
	}
	src, err := inner(t, dir).source("d/.", false)
	if err != nil {
		t.Fatal(err)
	}
	defer src.close()
	var got []string
	w := walker{tree: inner(t, dir), names: mostNames - besides - 1, emit: func(e Entry, _ io.Reader) error {
		got = append(got, string(e.Kind)+" "+e.Name)
		return nil
	}}
	if err := w.walk(t.Context(), src, "."); err != nil || strings.Join(got, ", ") != "directory ., file a, hard link b, file y, file z" {
		t.Errorf("%v, %v", got, err)
	}
}

// TestShrinks: a file that is cut while it is read does not end the archive; the
// rest of it is zeros, and that is said once.
func TestShrinks(t *testing.T) {
	const size, kept = 4 << 20, chunk + 100
	dir := plant(t, t.TempDir(), "d/log="+strings.Repeat("x", size), "d/next=n")
	var frames bytes.Buffer
	var left []string
	j := Job{
		From: End{Tree: inner(t, dir), Path: "d/."}, To: End{Stream: io.Writer(&frames)},
		LeftOut: func(what string) { left = append(left, what) },
		Progress: func(int64) {
			if err := os.Truncate(dir+"/d/log", kept); err != nil {
				t.Error(err)
			}
		},
	}
	if err := j.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 || !strings.Contains(left[0], "log became shorter") {
		t.Errorf("told: %q", left)
	}
	got := map[string][]byte{}
	err := ReadFrames(&frames, func(e Entry, content io.Reader) (err error) {
		if content != nil {
			got[e.Name], err = io.ReadAll(content)
		}
		return err
	})
	want := append(bytes.Repeat([]byte("x"), kept), make([]byte, size-kept)...)
	if err != nil || !bytes.Equal(got["log"], want) || string(got["next"]) != "n" {
		t.Errorf("log has %d bytes, next holds %q, %v", len(got["log"]), got["next"], err)
	}
}

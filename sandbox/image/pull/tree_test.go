package pull

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
	"github.com/safe-run/safe-run/sandbox/image/view"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// snapshot describes every file of a merged tree in one line each.
func snapshot(t testing.TB, layers []string) map[string]string {
	t.Helper()
	out := map[string]string{}
	if len(layers) == 0 {
		return out
	}
	tree, err := view.Open(layers)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	err = tree.Walk(func(e view.Entry) error {
		line, err := describe(e)
		out[e.Path] = line
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func describe(e view.Entry) (string, error) {
	st := e.Info.Sys().(*syscall.Stat_t)
	line := fmt.Sprintf("%v %d:%d", e.Info.Mode(), st.Uid, st.Gid)
	switch e.Info.Mode().Type() {
	case 0:
		f, err := e.Open()
		if err != nil {
			return "", err
		}
		defer f.Close()
		b, err := io.ReadAll(f)
		if err != nil {
			return "", err
		}
		line += fmt.Sprintf(" links=%d %q", st.Nlink, b)
		list := make([]byte, 4096)
		n, err := unix.Flistxattr(int(f.Fd()), list)
		if err != nil {
			return "", err
		}
		for name := range strings.SplitSeq(strings.TrimRight(string(list[:n]), "\x00"), "\x00") {
			if name != "" {
				line += " " + name
			}
		}
	case fs.ModeSymlink:
		target, err := e.Readlink()
		if err != nil {
			return "", err
		}
		line += " -> " + target
	}
	return line, nil
}

// unpackLayers unpacks an image of these tars from an OCI layout into a new
// store, and gives its layers.
func unpackLayers(t testing.TB, limits bounds.Limits, layers ...[]byte) ([]string, error) {
	t.Helper()
	dir := t.TempDir()
	img := imagetest.Image{Layers: layers, Config: spec.ImageConfig{Cmd: []string{"/x"}}}
	if err := img.Layout(filepath.Join(dir, "layout"), ""); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(dir, "store")
	record, err := Pull(t.Context(), "oci:"+filepath.Join(dir, "layout"), Options{Store: store, Limits: limits})
	assertTidy(t, store)
	if err != nil {
		for _, what := range []string{"images", "layers", "refs"} {
			if left, _ := os.ReadDir(filepath.Join(store, what)); len(left) > 0 {
				t.Errorf("it failed (%v) and left %s in %s", err, left[0].Name(), what)
			}
		}
		return nil, err
	}
	return trees(t, store, record), nil
}

// trees are the layers of the image that a record means.
func trees(t testing.TB, store string, r *image.Record) []string {
	t.Helper()
	s, err := image.OpenStore(store)
	if err != nil {
		t.Fatal(err)
	}
	return s.Trees(s.Entry(r.Digest))
}

// assertTidy checks that no unfinished work is left in a store.
func assertTidy(t testing.TB, store string) {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(store, "tmp"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("left in tmp: %s", e.Name())
	}
}

// assertMendable checks that err is one line that has all of words, and that
// it comes with a hint when hinted.
func assertMendable(t testing.TB, err error, hinted bool, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not have %q", err, word)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\r\x1b\x00") {
		t.Errorf("error %q is not one printable line", err)
	}
	if hinted && problem.HintOf(err) == "" {
		t.Errorf("error %q has no hint", err)
	}
}

func assertTree(t testing.TB, layers []string, want map[string]string) {
	t.Helper()
	got := snapshot(t, layers)
	for path, line := range want {
		if got[path] != line {
			t.Errorf("%s is %q, want %q", path, got[path], line)
		}
	}
	for path, line := range got {
		if _, ok := want[path]; !ok {
			t.Errorf("%s should not be there: %s", path, line)
		}
	}
}

func openImage(t testing.TB, reference, store string) *image.Image {
	t.Helper()
	img, err := image.Open(t.Context(), reference, image.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	return img
}

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "FAIL: these tests give files to other owners and must run as root; nothing was checked")
		os.Exit(1)
	}
	if code, child := asChild(); child {
		os.Exit(code)
	}
	syscall.Umask(0o077) // nothing may depend on it
	os.Exit(m.Run())
}

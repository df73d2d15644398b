package pull

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
)

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(b)
	must(t, err)
	must(t, z.Close())
	return out.Bytes()
}

// TestPaired: the files of a layer are shared, however it is compressed, but
// every image has its own blob, and it must be of those files.
func TestPaired(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "store")
	plain, other := imagetest.Files{"a": {Content: "a"}}.Tar(), imagetest.Files{"b": {Content: "b"}}.Tar()
	pull := func(name string, media types.MediaType, blob []byte) (*image.Record, error) {
		w := newWriter(filepath.Join(dir, name))
		must(t, w.index(w.image(config(runtime.GOARCH, plain), w.blob(media, blob))))
		return Pull(t.Context(), "oci:"+w.dir, Options{Store: store})
	}
	first, err := pull("plain", types.OCIUncompressedLayer, plain)
	must(t, err)
	second, err := pull("gzip", types.OCILayer, gzipped(t, plain))
	must(t, err)
	s, err := image.OpenStore(store)
	must(t, err)
	a, b := s.Entry(first.Digest), s.Entry(second.Digest)
	if a.Layers[0].Chain != b.Layers[0].Chain || a.Layers[0].Blob == b.Layers[0].Blob {
		t.Errorf("layers %+v and %+v: want the same files of two blobs", a.Layers, b.Layers)
	}
	for _, blob := range []string{a.Layers[0].Blob, b.Layers[0].Blob} {
		if _, err := os.Lstat(s.Blob(blob)); err != nil {
			t.Error(err)
		}
	}
	_, err = pull("lie", types.OCILayer, gzipped(t, other))
	if err == nil || !strings.Contains(err.Error(), "layer 1 of 1: it is damaged: its content is sha256:") {
		t.Errorf("a blob that is not of the files that are there: %v", err)
	}
	// Also when the blob is there as that of another image.
	w := newWriter(filepath.Join(dir, "honest"))
	must(t, w.index(w.image(config(runtime.GOARCH, other), w.blob(types.OCILayer, gzipped(t, other)))))
	_, err = Pull(t.Context(), "oci:"+w.dir, Options{Store: store})
	must(t, err)
	if _, err = pull("again", types.OCILayer, gzipped(t, other)); err == nil {
		t.Error("a blob of another image passed for that of files that are there")
	}
	for _, e := range []*image.Entry{a, b} {
		if differences, err := Verify(t.Context(), e, Options{Store: store}); err != nil || len(differences) > 0 {
			t.Errorf("verify: %v %v", differences, err)
		}
	}
}

// TestVerify changes the store in ways that only a comparison finds.
func TestVerify(t *testing.T) {
	dir := t.TempDir()
	layout, store := filepath.Join(dir, "layout"), filepath.Join(dir, "store")
	lower := imagetest.Files{
		"etc":        {Mode: os.ModeDir | 0o755},
		"etc/keep":   {Content: "k"},
		"etc/gone":   {Content: "g"},
		"etc/all":    {Mode: os.ModeDir | 0o755},
		"etc/all/x":  {Content: "x"},
		"bin/a":      {Mode: 0o755, Content: "a"},
		"bin/second": {Mode: 0o755, HardLink: "bin/a"},
		"usr/marked": {Content: "m", Xattrs: map[string]string{"user.a": "b"}},
	}
	upper := imagetest.Files{"etc/.wh.gone": {}, "etc/all/.wh..wh..opq": {}, "etc/all/y": {Content: "y"}}
	must(t, imagetest.New(testConfig, lower, upper).Layout(layout, ""))
	record, err := Pull(t.Context(), "oci:"+layout, Options{Store: store})
	must(t, err)
	s, err := image.OpenStore(store)
	must(t, err)
	entry := s.Entry(record.Digest)
	trees := s.Trees(entry)
	for _, c := range []struct {
		name         string
		change, mend func() error
		want         Difference
	}{
		{"nothing", func() error { return nil }, func() error { return nil }, Difference{}},
		{
			"a whiteout is gone",
			func() error { return os.Remove(trees[1] + "/etc/gone") }, func() error { return whiteoutAt(trees[1] + "/etc/gone") },
			Difference{2, "etc/gone", "it is missing"},
		},
		{
			"a whiteout more",
			func() error { return whiteoutAt(trees[1] + "/etc/keep") }, func() error { return os.Remove(trees[1] + "/etc/keep") },
			Difference{2, "etc/keep", "it does not belong there"},
		},
		{
			"an opaque directory is none",
			func() error { return os.Remove(trees[1] + "/etc/all/x") }, func() error { return whiteoutAt(trees[1] + "/etc/all/x") },
			Difference{2, "etc/all/x", "it is missing"},
		},
		{
			"a hard link is a copy",
			func() error {
				return replaceFile(trees[0]+"/bin/second", "a", 0o755)
			},
			func() error {
				return relink(trees[0]+"/bin/a", trees[0]+"/bin/second")
			},
			Difference{1, "bin/second", `it is one file with "bin/second", not with "bin/a"`},
		},
		{
			"an attribute is another",
			func() error { return setAttribute(trees[0]+"/usr/marked", "c") }, func() error { return setAttribute(trees[0]+"/usr/marked", "b") },
			Difference{1, "usr/marked", "its extended attributes are others"},
		},
		{
			"the root can be written by all",
			func() error { return os.Chmod(trees[0], 0o777) }, func() error { return os.Chmod(trees[0], 0o755) },
			Difference{1, ".", "its mode is 0777, not 0755"},
		},
	} {
		must(t, c.change())
		got, err := Verify(t.Context(), entry, Options{Store: store})
		must(t, c.mend())
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want == Difference{} && len(got) > 0, c.want != Difference{} && (len(got) != 1 || got[0] != c.want):
			t.Errorf("%s: found %+v, want %+v", c.name, got, c.want)
		}
	}
	left, err := os.ReadDir(s.Tmp())
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	entry.Config.Cmd = []string{"/other"}
	got, err := Verify(t.Context(), entry, Options{Store: store})
	if err != nil || len(got) != 1 || !strings.Contains(got[0].What, "is not what the config says") {
		t.Errorf("an entry that says something else than the config: %v %v", got, err)
	}
}

package pull

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
)

// damage makes a layout that must be refused with these words.
type damage struct {
	make  func(t *testing.T, w *writer) error
	words []string
}

const (
	here  = runtime.GOARCH
	plain = types.OCIUncompressedLayer
)

// Blobs that are referred to but are not there.
func TestDangling(t *testing.T) {
	refuseLayouts(t, map[string]damage{
		"dangling manifest": {func(_ *testing.T, w *writer) error { d := w.tiny(here, "a"); return w.without(d) }, []string{"manifest", "not there"}},
		"dangling config": {func(_ *testing.T, w *writer) error {
			d := w.json(types.OCIConfigJSON, config(here))
			return w.last(w.without(d), w.json(types.OCIManifestSchema1, v1.Manifest{Config: d}))
		}, []string{"config", "not there"}},
		"dangling layer": {func(_ *testing.T, w *writer) error {
			l := w.blob(plain, tinyTar)
			return w.last(w.without(l), w.image(config(here, tinyTar), l))
		}, []string{"layer", "not there"}},
	})
}

// Blobs that are not what their digests say.
func TestCorrupt(t *testing.T) {
	refuseLayouts(t, map[string]damage{
		"manifest of another digest": {func(_ *testing.T, w *writer) error {
			a, b := w.tiny(here, "a"), w.tiny(here, "b")
			w.move(b, a)
			return w.index(a)
		}, []string{"manifest", "damaged", "digest"}},
		"layer of another digest": {func(_ *testing.T, w *writer) error {
			a, b := w.blob(plain, imagetest.Files{"a": {}}.Tar()), w.blob(plain, imagetest.Files{"b": {}}.Tar())
			w.move(b, a)
			return w.index(w.image(config(here, imagetest.Files{"b": {}}.Tar()), a))
		}, []string{"layer", "damaged", "digest"}},
		"layer with bytes after its end": {func(_ *testing.T, w *writer) error {
			longer := append(bytes.Clone(tinyTar), make([]byte, 1024)...)
			return w.index(w.image(config(here, tinyTar), w.blob(plain, longer)))
		}, []string{"layer", "damaged", "the config says"}},
		"layer of another diff id": {func(_ *testing.T, w *writer) error {
			return w.index(w.image(config(here, imagetest.Files{"b": {}}.Tar()), w.blob(plain, tinyTar)))
		}, []string{"layer 1 of 1", "the config says"}},
	})
}

// Layers that end too early or lie about their size.
func TestDamagedLayers(t *testing.T) {
	refuseLayouts(t, map[string]damage{
		"layer of another size": {func(_ *testing.T, w *writer) error {
			l := w.blob(plain, tinyTar)
			l.Size++
			return w.index(w.image(config(here, tinyTar), l))
		}, []string{"layer", "bytes, not"}},
		"layer of a negative size": {func(_ *testing.T, w *writer) error {
			l := w.blob(plain, tinyTar)
			l.Size = -1
			return w.index(w.image(config(here, tinyTar), l))
		}, []string{"negative size"}},
		"cut gzip": {func(_ *testing.T, w *writer) error {
			return w.index(w.image(config(here, tinyTar), w.blob(types.OCILayer, []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1, 2})))
		}, []string{"layer 1 of 1"}},
		"cut zstd": {func(_ *testing.T, w *writer) error {
			return w.index(w.image(config(here, tinyTar), w.blob(types.OCILayerZStd, []byte{0x28, 0xb5, 0x2f, 0xfd, 4, 0})))
		}, []string{"layer 1 of 1"}},
	})
}

// Manifests of what is no image, or of two things at once.
func TestMisleading(t *testing.T) {
	refuseLayouts(t, map[string]damage{
		"encrypted layer": {func(_ *testing.T, w *writer) error {
			return w.index(w.image(config(here, tinyTar), w.blob(types.OCILayer+"+encrypted", tinyTar)))
		}, []string{"+encrypted"}},
		"fewer layers than diff ids": {func(_ *testing.T, w *writer) error {
			return w.index(w.image(config(here, tinyTar, tinyTar), w.blob(plain, tinyTar)))
		}, []string{"2 layers", "of 1"}},
		"an artifact": {func(_ *testing.T, w *writer) error {
			return w.index(w.json(types.OCIManifestSchema1, v1.Manifest{Config: w.blob(types.OCIEmptyJSON, []byte("{}"))}))
		}, []string{"no container image", "empty"}},
		"a schema 1 manifest": {func(_ *testing.T, w *writer) error { return w.index(w.json(types.DockerManifestSchema1, struct{}{})) }, []string{"no container image"}},
		"manifest and index at once": {func(_ *testing.T, w *writer) error {
			return w.index(w.json(types.OCIManifestSchema1, map[string]any{"layers": []string{}, "manifests": []string{}}))
		}, []string{"as an image and as an index"}},
		"manifest of another type": {func(_ *testing.T, w *writer) error {
			d := w.tiny(here, "a")
			d.MediaType = types.DockerManifestSchema2
			return w.index(d)
		}, []string{"referred to as"}},
	})
}

// Metadata that is malformed, endless, or no file of the layout.
func TestDamagedMetadata(t *testing.T) {
	refuseLayouts(t, map[string]damage{
		"config with words after it": {func(_ *testing.T, w *writer) error {
			b, err := json.Marshal(config(here, tinyTar))
			w.try(err)
			c := w.blob(types.OCIConfigJSON, append(b, "{}"...))
			return w.index(w.json(types.OCIManifestSchema1, v1.Manifest{Config: c, Layers: []v1.Descriptor{w.blob(plain, tinyTar)}}))
		}, []string{"config is malformed"}},
		"large config": {func(_ *testing.T, w *writer) error {
			c := w.blob(types.OCIConfigJSON, []byte(strings.Repeat(" ", bounds.Metadata+1)))
			return w.index(w.json(types.OCIManifestSchema1, v1.Manifest{Config: c}))
		}, []string{"at most 4 MiB"}},
		"endless index": {func(t *testing.T, w *writer) error {
			must(t, w.index())
			must(t, os.Truncate(filepath.Join(w.dir, "index.json"), 1<<40))
			return nil
		}, []string{"index.json", "at most 4 MiB"}},
		"index of junk": {func(_ *testing.T, w *writer) error { w.file("index.json", []byte("junk")); return w.err }, []string{"index.json is malformed"}},
		"digest as a path": {func(_ *testing.T, w *writer) error {
			w.file("index.json", []byte(`{"manifests":[{"digest":"sha256:../../etc/passwd"}]}`))
			return w.err
		}, []string{"malformed"}},
		"unknown hash": {func(_ *testing.T, w *writer) error {
			w.file("index.json", []byte(`{"manifests":[{"digest":"md5:d41d8cd98f00b204e9800998ecf8427e"}]}`))
			return w.err
		}, []string{"malformed"}},
		"unknown version": {func(_ *testing.T, w *writer) error {
			w.file("oci-layout", []byte(`{"imageLayoutVersion":"9"}`))
			return w.index()
		}, []string{`"9"`}},
		"blob out of the layout": {func(t *testing.T, w *writer) error {
			d := w.tiny(here, "a")
			outside := filepath.Join(t.TempDir(), "outside")
			must(t, os.Rename(w.path(d), outside))
			must(t, os.Symlink(outside, w.path(d)))
			return w.index(d)
		}, []string{"manifest", "escapes"}},
		"blob is a fifo": {func(t *testing.T, w *writer) error {
			d := w.tiny(here, "a")
			must(t, os.Remove(w.path(d)))
			must(t, syscall.Mkfifo(w.path(d), 0o600))
			return w.index(d)
		}, []string{"not a regular file"}},
	})
}

// refuseLayouts checks that each layout is refused and leaves nothing behind.
func refuseLayouts(t *testing.T, layouts map[string]damage) {
	t.Helper()
	for name, c := range layouts {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			w := newWriter(filepath.Join(dir, "layout"))
			must(t, c.make(t, w))
			store := filepath.Join(dir, "store")
			_, err := Pull(t.Context(), "oci:"+w.dir, Options{Store: store})
			assertMendable(t, err, false, c.words...)
			assertTidy(t, store)
			if records, _ := os.ReadDir(filepath.Join(store, "refs")); len(records) > 0 {
				t.Error("it failed and left a record")
			}
		})
	}
}

func (w *writer) path(d v1.Descriptor) string { return filepath.Join(w.dir, blobPath(d.Digest)) }

// without writes an index of d and removes its blob.
func (w *writer) without(d v1.Descriptor) error {
	w.try(os.Remove(w.path(d)))
	return w.index(d)
}

// last writes an index of d unless err.
func (w *writer) last(err error, d v1.Descriptor) error {
	w.try(err)
	return w.index(d)
}

// move puts the blob of from where to is looked for.
func (w *writer) move(from, to v1.Descriptor) { w.try(os.Rename(w.path(from), w.path(to))) }

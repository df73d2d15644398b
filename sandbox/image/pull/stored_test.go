package pull

import (
	"path/filepath"
	"runtime"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/imagetest"
)

// TestStoredIndex: an image that several indexes lead to is checked again by
// the one that its reference led through.
func TestStoredIndex(t *testing.T) {
	dir := t.TempDir()
	tar := imagetest.Files{"a": {}}.Tar()
	plain := newWriter(filepath.Join(dir, "plain"))
	must(t, plain.index(plain.image(config(runtime.GOARCH, tar), plain.blob(types.OCIUncompressedLayer, tar))))
	nested := newWriter(filepath.Join(dir, "nested"))
	m := nested.image(config(runtime.GOARCH, tar), nested.blob(types.OCIUncompressedLayer, tar))
	index := nested.json(types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{m}})
	must(t, nested.index(index))

	o := Options{Store: filepath.Join(dir, "store")}
	for _, name := range []string{"nested", "plain", "nested"} {
		want := map[string]v1.Hash{"nested": index.Digest}[name]
		ref := "oci:" + filepath.Join(dir, name)
		record, err := Pull(t.Context(), ref, o)
		must(t, err)
		p, err := newPuller(t.Context(), o)
		must(t, err)
		key, err := image.Parse(ref)
		must(t, err)
		if key, err = image.Locate(key); err != nil {
			t.Fatal(err)
		}
		found, err := p.stored(key, p.store.Record(key), p.store.Entry(record.Digest))
		must(t, err)
		if found.Index != want {
			t.Errorf("%s: of the index %q, want %q", name, found.Index, want)
		}
		must(t, found.Close())
		p.close()
	}
}

func TestInFull(t *testing.T) {
	for _, c := range []struct{ ref, repository, want string }{
		{"docker://app:1", "quay.io/x/app", "docker://quay.io/x/app:1"},
		{"docker://app", "docker.io/library/app", "docker://docker.io/library/app"},
		{"docker://h:5000/app:1", "h:5000/app", "docker://h:5000/app:1"},
		{"docker-daemon:app:1", "docker.io/library/app", "docker-daemon:app:1"},
		{"docker://app:1", "", "docker://app:1"},
	} {
		ref, err := image.Parse(c.ref)
		must(t, err)
		if got := inFull(ref, c.repository).String(); got != c.want {
			t.Errorf("%s of %s is %s, want %s", c.ref, c.repository, got, c.want)
		}
	}
}

package pull

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/safe-run/safe-run/sandbox/image/imagetest"
)

// writer makes an OCI layout blob by blob, so that tests can make wrong ones.
type writer struct {
	dir string
	err error
}

func newWriter(dir string) *writer {
	w := &writer{dir: dir}
	w.try(os.MkdirAll(filepath.Join(dir, "blobs/sha256"), 0o755))
	w.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return w
}

func (w *writer) try(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *writer) file(name string, b []byte) {
	w.try(os.WriteFile(filepath.Join(w.dir, name), b, 0o644))
}

// blob writes b and gives its descriptor.
func (w *writer) blob(media types.MediaType, b []byte) v1.Descriptor {
	sum := sha256.Sum256(b)
	hexa := hex.EncodeToString(sum[:])
	w.file("blobs/sha256/"+hexa, b)
	return v1.Descriptor{MediaType: media, Size: int64(len(b)), Digest: v1.Hash{Algorithm: "sha256", Hex: hexa}}
}

// json writes a document as a blob.
func (w *writer) json(media types.MediaType, doc any) v1.Descriptor {
	b, err := json.Marshal(doc)
	w.try(err)
	return w.blob(media, b)
}

// index writes index.json.
func (w *writer) index(manifests ...v1.Descriptor) error {
	b, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, Manifests: manifests})
	w.try(err)
	w.file("index.json", b)
	return w.err
}

// config is an image config for arch with the diff ids of these tars.
func config(arch string, tars ...[]byte) v1.ConfigFile {
	c := v1.ConfigFile{OS: "linux", Architecture: arch, RootFS: v1.RootFS{Type: "layers"}, Config: v1.Config{Cmd: []string{"/" + arch}}}
	for _, t := range tars {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, hashBytes(t))
	}
	return c
}

// image writes an image with these layers and config.
func (w *writer) image(c v1.ConfigFile, layers ...v1.Descriptor) v1.Descriptor {
	return w.json(types.OCIManifestSchema1, v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: w.json(types.OCIConfigJSON, c), Layers: layers,
	})
}

// recompressed writes img as a layout with one zstd layer and one plain one.
func recompressed(img imagetest.Image, dir string) error {
	if len(img.Layers) != 2 {
		return fmt.Errorf("%d layers, want 2", len(img.Layers))
	}
	built, err := img.Build()
	if err != nil {
		return err
	}
	file, err := built.ConfigFile()
	if err != nil {
		return err
	}
	var small bytes.Buffer
	z, err := zstd.NewWriter(&small)
	if err != nil {
		return err
	}
	if _, err := z.Write(img.Layers[0]); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	w := newWriter(dir)
	return w.index(w.image(*file, w.blob(types.OCILayerZStd, small.Bytes()), w.blob(types.OCIUncompressedLayer, img.Layers[1])))
}

// refName is the annotation that names an image in a layout.
const refName = "org.opencontainers.image.ref.name"

// maxNesting is how many indexes may be inside each other.
const maxNesting = 4

func hashBytes(b []byte) v1.Hash {
	sum := sha256.Sum256(b)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// blobPath is where a layout keeps a blob.
func blobPath(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

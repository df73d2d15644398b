package pull

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/spec/problem"
)

// Files is where an image is written: the files of a layout or of an archive,
// in an order that does not change.
type Files interface {
	// Put makes a file of size bytes.
	Put(name string, size int64, content io.Reader) error
}

// Saved says how an image is written.
type Saved struct {
	// Form is image.OCI, image.OCIArchive or image.DockerArchive.
	Form string
	// Name is what the image is called there; a docker archive needs one.
	Name string
	// Known is what registries call it in full; may be empty.
	Known string
}

// Save writes an image of the store as it was published: manifest, config and
// layers are copied byte for byte, and each is checked against its digest on
// the way. The image's lock must be held.
func Save(ctx context.Context, s *image.Store, e *image.Entry, how Saved, to Files) error {
	found, err := source.FromBlobs(s, e)
	if err != nil {
		return err
	}
	defer found.Close()
	w := &saver{ctx: ctx, to: to, put: map[string]bool{}}
	if how.Form == image.DockerArchive {
		return w.docker(found, how)
	}
	return w.oci(found, how)
}

// saver writes one image.
type saver struct {
	ctx context.Context
	to  Files
	put map[string]bool // the files that are there
}

// The annotations of a layout that name an image.
const (
	nameAnnotation  = "org.opencontainers.image.ref.name"
	knownAnnotation = "io.containerd.image.name"
)

func (w *saver) oci(found *source.Image, how Saved) error {
	var m v1.Manifest
	if err := json.Unmarshal(found.Manifest, &m); err != nil {
		return err
	}
	for i, l := range found.Layers {
		if m.Layers[i].Digest != l.Digest {
			return problem.New("write a docker archive: --to docker-archive:FILE:NAME",
				"layer %d was found uncompressed, and its manifest is of compressed layers", i+1)
		}
	}
	d := v1.Descriptor{
		MediaType: found.MediaType, Size: int64(len(found.Manifest)), Digest: found.Digest,
		Platform: &v1.Platform{OS: found.ConfigFile.OS, Architecture: found.ConfigFile.Architecture, Variant: found.ConfigFile.Variant},
	}
	for key, value := range map[string]string{nameAnnotation: how.Name, knownAnnotation: how.Known} {
		if value != "" {
			if d.Annotations == nil {
				d.Annotations = map[string]string{}
			}
			d.Annotations[key] = value
		}
	}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{d}}
	if err := w.document("oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"}); err != nil {
		return err
	}
	if err := w.document("index.json", index); err != nil {
		return err
	}
	if err := w.bytes(blobName(found.Digest), found.Manifest); err != nil {
		return err
	}
	if err := w.bytes(blobName(m.Config.Digest), found.Config); err != nil {
		return err
	}
	for _, l := range found.Layers {
		if err := w.layer(blobName(l.Digest), l); err != nil {
			return err
		}
	}
	return nil
}

func blobName(h v1.Hash) string { return "blobs/sha256/" + h.Hex }

// docker writes what docker load reads. It has no manifest of its own, so that
// its digest is not the one that was published.
func (w *saver) docker(found *source.Image, how Saved) error {
	if how.Name == "" {
		return problem.New("name the image after the file, for example docker-archive:app.tar:app:1.0", "a docker archive needs a name that docker would load")
	}
	config := digestOf(found.Config)[len("sha256:"):] + ".json"
	described := tarball.Descriptor{Config: config, RepoTags: []string{how.Name}}
	for _, l := range found.Layers {
		described.Layers = append(described.Layers, l.Digest.Hex+extension(l.MediaType))
	}
	if err := w.document("manifest.json", tarball.Manifest{described}); err != nil {
		return err
	}
	if err := w.bytes(config, found.Config); err != nil {
		return err
	}
	for i, l := range found.Layers {
		if err := w.layer(described.Layers[i], l); err != nil {
			return err
		}
	}
	return nil
}

// extension says by the name how a layer is compressed, as far as is known;
// readers go by its first bytes.
func extension(m types.MediaType) string {
	switch m {
	case types.OCILayer, types.DockerLayer:
		return ".tar.gz"
	case types.OCILayerZStd:
		return ".tar.zst"
	}
	return ".tar"
}

func (w *saver) document(name string, doc any) error {
	b, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	return w.bytes(name, b)
}

func (w *saver) bytes(name string, b []byte) error {
	return w.once(name, func() error { return w.to.Put(name, int64(len(b)), bytes.NewReader(b)) })
}

// once makes a file unless an earlier layer was the same.
func (w *saver) once(name string, put func() error) error {
	if w.put[name] {
		return nil
	}
	w.put[name] = true
	return put()
}

// layer copies the blob of a layer.
func (w *saver) layer(name string, l source.Layer) error {
	return w.once(name, func() error {
		r, err := l.Open(w.ctx, 0)
		if err != nil {
			return damagedBlob(l.Digest, err)
		}
		defer r.Close()
		sum := sha256.New()
		n := &meter{r: io.TeeReader(interruptible{w.ctx, io.LimitReader(r, l.Size)}, sum), report: func(int64) {}}
		if err := w.to.Put(name, l.Size, n); err != nil {
			return err
		}
		if n.n != l.Size || hex.EncodeToString(sum.Sum(nil)) != l.Digest.Hex {
			return damagedBlob(l.Digest, errStaleBlob)
		}
		return nil
	})
}

// damagedBlob is the error of a blob of the store that is not what its name
// says, or is not there.
func damagedBlob(h v1.Hash, err error) error {
	if os.IsNotExist(err) {
		err = errors.New("it is not in the store")
	}
	return problem.New("remove the image and bring it again: safe-run image rm, then safe-run image pull", "layer %s: %w", h, err)
}

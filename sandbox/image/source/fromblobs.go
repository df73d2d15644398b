package source

import (
	"context"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image"
)

// storeBlobs are the blobs of the store as those of a layout.
type storeBlobs struct{ store *image.Store }

func (s storeBlobs) open(name string) (io.ReadCloser, int64, error) {
	digest, ok := digestOfBlobPath(name)
	if !ok {
		return nil, 0, fmt.Errorf("%s is no blob", name)
	}
	f, err := os.OpenFile(s.store.Blob(digest), os.O_RDONLY|unix.O_NOFOLLOW|nonblock, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func (storeBlobs) close() error { return nil }

// digestOfBlobPath turns blobPath around.
func digestOfBlobPath(name string) (string, bool) {
	var h v1.Hash
	const prefix = "blobs/sha256/"
	if len(name) <= len(prefix) || name[:len(prefix)] != prefix {
		return "", false
	}
	h.Algorithm, h.Hex = "sha256", name[len(prefix):]
	return h.String(), image.ValidDigest(h.String())
}

// FromBlobs is an image of the store, with its manifest and config checked
// again.
func FromBlobs(s *image.Store, e *image.Entry) (*Image, error) {
	blobs := storeBlobs{s}
	digest, err := v1.NewHash(e.Digest)
	if err != nil {
		return nil, err
	}
	size, err := sizeOf(blobs, digest)
	if err != nil {
		return nil, err
	}
	d := v1.Descriptor{Digest: digest, MediaType: types.MediaType(e.MediaType), Size: size}
	data, err := readBlob(blobs, d, "manifest")
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(d, data)
	if err != nil {
		return nil, err
	}
	raw, err := readBlob(blobs, m.Config, "config")
	if err != nil {
		return nil, err
	}
	var config v1.ConfigFile
	if err := decode(raw, &config, "image config"); err != nil {
		return nil, err
	}
	found, err := assemble(documents{d, data, m, raw}, config.Architecture, func(ld v1.Descriptor) opener { return blobs.opener(ld.Digest) })
	if err != nil {
		return nil, err
	}
	found.Made = e.Made
	if e.Index != "" {
		if found.Index, err = v1.NewHash(e.Index); err != nil {
			return nil, err
		}
	}
	if len(found.Layers) != len(e.Layers) {
		return nil, corrupt("entry of the store", fmt.Sprintf("it has %d layers, not %d", len(e.Layers), len(found.Layers)))
	}
	// What stands in the manifest are the published layers; what the store has
	// may be their content without compression (containers-storage).
	for i, l := range e.Layers {
		h, err := v1.NewHash(l.Blob)
		if err != nil {
			return nil, err
		}
		found.Layers[i].Digest, found.Layers[i].Size = h, l.Size
		found.Layers[i].MediaType, found.Layers[i].Open = types.MediaType(l.Media), blobs.opener(h)
	}
	return found, nil
}

// opener reads the blob of a digest.
func (s storeBlobs) opener(h v1.Hash) opener {
	return func(_ context.Context, offset int64) (io.ReadCloser, error) {
		r, _, err := s.open(blobPath(h))
		if err != nil {
			return nil, err
		}
		return from(r, offset)
	}
}

// sizeOf gives the size of a blob.
func sizeOf(b blobs, h v1.Hash) (int64, error) {
	r, n, err := b.open(blobPath(h))
	if err != nil {
		return 0, err
	}
	return n, r.Close()
}

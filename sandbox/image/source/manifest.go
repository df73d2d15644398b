package source

import (
	"context"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/safe-run/safe-run/spec/problem"
)

// opener reads a blob from offset on.
type opener = func(ctx context.Context, offset int64) (io.ReadCloser, error)

// dockerZstd is not among the media types of go-containerregistry.
const dockerZstd types.MediaType = "application/vnd.docker.image.rootfs.diff.tar.zstd"

// Hints for manifests that are not an image's.
const (
	badManifest = "the image is damaged or hostile; push or copy it again from a source you trust"
	noImage     = "name an image; this is something else that is kept beside images, such as a chart or a signature"
)

// parseManifest reads the manifest data, which d led to.
func parseManifest(d v1.Descriptor, data []byte) (*v1.Manifest, error) {
	var m v1.Manifest
	if both(data) {
		return nil, problem.New(badManifest, "the manifest %s could be read as an image and as an index", d.Digest)
	}
	if err := decode(data, &m, "manifest"); err != nil {
		return nil, err
	}
	switch {
	case m.MediaType != "" && d.MediaType != "" && m.MediaType != d.MediaType:
		return nil, problem.New(badManifest, "the manifest says it is %s, but is referred to as %s", m.MediaType, d.MediaType)
	case d.MediaType != "" && !d.MediaType.IsImage():
		return nil, problem.New(noImage, "%s is no container image but %q", d.Digest, d.MediaType)
	case !m.Config.MediaType.IsConfig():
		return nil, problem.New(noImage, "%s is no container image: its config is %q", d.Digest, m.Config.MediaType)
	}
	return &m, nil
}

// documents are a manifest and the config that was checked against it.
type documents struct {
	v1.Descriptor // of the manifest
	data          []byte
	manifest      *v1.Manifest
	config        []byte
}

// assemble makes the image of its documents, for arch. open gives what reads a
// layer.
func assemble(d documents, arch string, open func(v1.Descriptor) opener) (*Image, error) {
	config, err := readConfig(d.config, len(d.manifest.Layers), arch)
	if err != nil {
		return nil, err
	}
	i := &Image{Digest: d.Digest, MediaType: d.MediaType, Manifest: d.data, Config: d.config, ConfigFile: config}
	if i.MediaType == "" {
		i.MediaType = d.manifest.MediaType
	}
	for n, ld := range d.manifest.Layers {
		if err := checkLayer(ld); err != nil {
			return nil, err
		}
		i.Layers = append(i.Layers, Layer{
			Digest: ld.Digest, Size: ld.Size, DiffID: config.RootFS.DiffIDs[n], MediaType: ld.MediaType, Open: open(ld),
		})
	}
	return i, nil
}

// checkLayer refuses a layer that is no plain tar, such as an encrypted one.
// How it is compressed is seen from its first bytes.
func checkLayer(d v1.Descriptor) error {
	if err := identified(d, "layer"); err != nil {
		return err
	}
	if !d.MediaType.IsLayer() && d.MediaType != dockerZstd {
		return problem.New("push or build it again with plain, gzip or zstd layers", "layer %s is of a kind that cannot be unpacked: %q", d.Digest, d.MediaType)
	}
	if d.Size < 0 {
		return problem.New(badManifest, "layer %s has a negative size", d.Digest)
	}
	return nil
}

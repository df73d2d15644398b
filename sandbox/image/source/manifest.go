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

// parseManifest reads the manifest data, which d led to.
func parseManifest(d v1.Descriptor, data []byte) (*v1.Manifest, error) {
	var m v1.Manifest
	if both(data) {
		return nil, problem.New("", "the manifest %s could be read as an image and as an index", d.Digest)
	}
	if err := decode(data, &m, "manifest"); err != nil {
		return nil, err
	}
	switch {
	case m.MediaType != "" && d.MediaType != "" && m.MediaType != d.MediaType:
		return nil, problem.New("", "the manifest says it is %s, but is referred to as %s", m.MediaType, d.MediaType)
	case d.MediaType != "" && !d.MediaType.IsImage():
		return nil, problem.New("", "%s is no container image but %q", d.Digest, d.MediaType)
	case !m.Config.MediaType.IsConfig():
		return nil, problem.New("", "%s is no container image: its config is %q", d.Digest, m.Config.MediaType)
	}
	return &m, nil
}

// assemble makes the image of a manifest and its config, which was checked
// against it. open gives what reads a layer.
func assemble(d v1.Descriptor, data []byte, m *v1.Manifest, raw []byte, arch string, open func(v1.Descriptor) opener) (*Image, error) {
	config, err := readConfig(raw, len(m.Layers), arch)
	if err != nil {
		return nil, err
	}
	i := &Image{Digest: d.Digest, MediaType: d.MediaType, Manifest: data, Config: raw, ConfigFile: config}
	if i.MediaType == "" {
		i.MediaType = m.MediaType
	}
	for n, ld := range m.Layers {
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
	if !d.MediaType.IsLayer() && d.MediaType != dockerZstd {
		return problem.New("", "layer %s is of a kind that cannot be unpacked: %q", d.Digest, d.MediaType)
	}
	if d.Size < 0 {
		return problem.New("", "layer %s has a negative size", d.Digest)
	}
	return nil
}

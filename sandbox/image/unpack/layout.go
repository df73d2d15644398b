package unpack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

// nonblock keeps open(2) of a FIFO from waiting for a writer.
const nonblock = unix.O_NONBLOCK | unix.O_NOCTTY

// maxNesting bounds indexes inside indexes: an index of one image for several
// platforms inside index.json is two.
const maxNesting = 4

// layout is an OCI image layout, in a directory or in an archive. The readers
// of go-containerregistry read metadata of any size and follow links out of
// the directory, so only its types are used.
type layout struct {
	blobs
	index v1.IndexManifest
}

func openLayout(path string) (source, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return readLayout(folder{root})
}

func openLayoutArchive(ctx context.Context, ref image.Reference, w *workspace, l Limits) (source, error) {
	a, err := openArchive(ctx, ref.Path, w, l)
	if err != nil {
		return nil, err
	}
	if !a.has("oci-layout") && a.has("manifest.json") {
		ref.Transport = image.DockerArchive
		return nil, errors.Join(problem.New("write "+ref.String(), "%s is not an OCI archive but a docker archive", ref.Path), a.close())
	}
	return readLayout(a)
}

// readLayout takes over b.
func readLayout(b blobs) (source, error) {
	l := &layout{blobs: b}
	if err := l.read(); err != nil {
		b.close()
		return nil, err
	}
	return l, nil
}

func (l *layout) read() error {
	marker, err := readWhole(l, "oci-layout")
	if errors.Is(err, fs.ErrNotExist) {
		return problem.New("an OCI layout has the files oci-layout and index.json", "it is not an OCI layout: it has no oci-layout")
	}
	if err != nil {
		return err
	}
	var version struct {
		ImageLayoutVersion string `json:"imageLayoutVersion"`
	}
	if err := decode(marker, &version, "oci-layout file"); err != nil {
		return err
	}
	if version.ImageLayoutVersion != "1.0.0" {
		return problem.New("", "OCI layouts of version %q cannot be read, only 1.0.0", version.ImageLayoutVersion)
	}
	data, err := readWhole(l, "index.json")
	if errors.Is(err, fs.ErrNotExist) {
		return problem.New("an OCI layout has the files oci-layout and index.json", "it is not an OCI layout: it has no index.json")
	}
	if err != nil {
		return err
	}
	return decode(data, &l.index, "index.json")
}

func (l *layout) choose(tag, arch string) (*choice, error) {
	found, err := named(l.index.Manifests, tag)
	if err != nil {
		return nil, err
	}
	for range maxNesting {
		d, err := forPlatform(found, arch)
		if err != nil {
			return nil, err
		}
		data, err := readBlob(l, d, "manifest")
		if err != nil {
			return nil, err
		}
		if both(data) {
			return nil, problem.New("", "the manifest %s could be read as an image and as an index", d.Digest)
		}
		if !isIndex(d, data) {
			return l.image(d, data, arch)
		}
		var inner v1.IndexManifest
		if err := decode(data, &inner, "index"); err != nil {
			return nil, err
		}
		found = inner.Manifests
	}
	return nil, problem.New("", "more than %d indexes inside each other", maxNesting)
}

// isIndex goes by the descriptor, and by the document where the descriptor
// does not say.
func isIndex(d v1.Descriptor, data []byte) bool {
	if d.MediaType != "" {
		return d.MediaType.IsIndex()
	}
	var body struct {
		MediaType types.MediaType   `json:"mediaType"`
		Manifests []v1.Descriptor   `json:"manifests"`
		_         map[string]string // nothing else matters
	}
	return decode(data, &body, "") == nil && (body.MediaType.IsIndex() || len(body.Manifests) > 0)
}

// image reads the manifest data of d and its config.
func (l *layout) image(d v1.Descriptor, data []byte, arch string) (*choice, error) {
	var m v1.Manifest
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
	raw, err := readBlob(l, m.Config, "config")
	if err != nil {
		return nil, err
	}
	config, err := readConfig(raw, len(m.Layers), arch)
	if err != nil {
		return nil, err
	}
	c := &choice{digest: d.Digest.String(), config: config}
	for i, ld := range m.Layers {
		if err := checkLayer(ld); err != nil {
			return nil, err
		}
		c.layers = append(c.layers, layer{
			digest: ld.Digest, size: ld.Size, diffID: config.RootFS.DiffIDs[i],
			open: func() (io.ReadCloser, error) { return l.openLayer(ld) },
		})
	}
	return c, nil
}

func (l *layout) openLayer(d v1.Descriptor) (io.ReadCloser, error) {
	r, n, err := l.open(blobPath(d.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, dangling("layer", d.Digest)
	}
	if err != nil {
		return nil, err
	}
	if n != d.Size {
		r.Close()
		return nil, corrupt("layer "+d.Digest.String(), fmt.Sprintf("it has %d bytes, not %d", n, d.Size))
	}
	return r, nil
}

// dockerZstd is not among the media types of go-containerregistry.
const dockerZstd types.MediaType = "application/vnd.docker.image.rootfs.diff.tar.zstd"

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

package source

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

func findInLayout(_ context.Context, ref image.Reference, o Options) (*Image, error) {
	root, err := os.OpenRoot(ref.Path)
	if err != nil {
		return nil, err
	}
	return findIn(folder{root}, ref.Tag, o)
}

func findInLayoutArchive(ctx context.Context, ref image.Reference, o Options) (*Image, error) {
	a, err := openArchive(ctx, ref.Path, o)
	if err != nil {
		return nil, err
	}
	if !a.has("oci-layout") && a.has("manifest.json") {
		ref.Transport = image.DockerArchive
		return nil, errors.Join(problem.New("write "+ref.String(), "%s is not an OCI archive but a docker archive", ref.Path), a.close())
	}
	return findIn(a, ref.Tag, o)
}

// findIn finds the image called tag in the layout b, and takes b over.
func findIn(b blobs, tag string, o Options) (*Image, error) {
	l := &layout{blobs: b}
	err := l.read()
	if err == nil {
		var found *Image
		if found, err = l.choose(tag, o.Arch); err == nil {
			found.closers = append(found.closers, b.close)
			found.Attached = l.attachedIn(o)
			return found, nil
		}
	}
	return nil, errors.Join(err, b.close())
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

// choose finds the image called tag, or the only one, for linux and arch.
func (l *layout) choose(tag, arch string) (*Image, error) {
	found, err := named(images(l.index.Manifests), tag)
	if err != nil {
		return nil, err
	}
	var outer v1.Hash
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
			found, err := l.image(d, data, arch)
			if err == nil {
				found.Index = outer
			}
			return found, err
		}
		var inner v1.IndexManifest
		if err := decode(data, &inner, "index"); err != nil {
			return nil, err
		}
		// A signature may be of the outermost index: it leads to all others.
		if outer == (v1.Hash{}) {
			outer = d.Digest
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
func (l *layout) image(d v1.Descriptor, data []byte, arch string) (*Image, error) {
	m, err := parseManifest(d, data)
	if err != nil {
		return nil, err
	}
	raw, err := readBlob(l, m.Config, "config")
	if err != nil {
		return nil, err
	}
	return assemble(documents{d, data, m, raw}, arch, l.openLayer)
}

func (l *layout) openLayer(d v1.Descriptor) opener {
	return func(_ context.Context, offset int64) (io.ReadCloser, error) {
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
		return from(r, offset)
	}
}

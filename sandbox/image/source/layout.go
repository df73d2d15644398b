package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

// nonblock keeps open(2) of a FIFO from waiting for a writer.
const nonblock = unix.O_NONBLOCK | unix.O_NOCTTY

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
		return problem.New("write it again: skopeo copy docker://NAME oci:DIR:TAG", "OCI layouts of version %q cannot be read, only 1.0.0", version.ImageLayoutVersion)
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
	d, err := forPlatform(found, arch)
	if err != nil {
		return nil, err
	}
	d, data, err := layoutReader{l}.manifest(d)
	if err != nil {
		return nil, err
	}
	return resolve(layoutReader{l}, d, data, arch)
}

// layoutReader reads a layout as a reader does.
type layoutReader struct{ l *layout }

func (r layoutReader) manifest(d v1.Descriptor) (v1.Descriptor, []byte, error) {
	data, err := readBlob(r.l, d, "manifest")
	return d, data, err
}

func (r layoutReader) blob(d v1.Descriptor, what string) ([]byte, error) {
	return readBlob(r.l, d, what)
}

func (r layoutReader) layer(d v1.Descriptor) opener {
	return func(_ context.Context, offset int64) (io.ReadCloser, error) {
		file, n, err := r.l.open(blobPath(d.Digest))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, dangling("layer", d.Digest)
		}
		if err != nil {
			return nil, err
		}
		if n != d.Size {
			file.Close()
			return nil, corrupt("layer "+d.Digest.String(), fmt.Sprintf("it has %d bytes, not %d", n, d.Size))
		}
		return from(file, offset)
	}
}

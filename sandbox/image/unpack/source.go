package unpack

import (
	"context"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image"
)

// source is an opened layout or archive. A registry is one more of these.
type source interface {
	// choose finds the image called tag, or the only one, for linux and arch.
	choose(tag, arch string) (*choice, error)
	close() error
}

// choice is the image that will be unpacked.
type choice struct {
	digest string         // of its manifest, sha256:<hex>
	config *v1.ConfigFile // checked against the manifest
	layers []layer        // lowest first
}

// layer is one layer's blob and what it must turn out to be.
type layer struct {
	digest v1.Hash // of the blob as it is stored
	size   int64   // of the blob in bytes
	diffID v1.Hash // of the tar inside
	open   func() (io.ReadCloser, error)
}

// open opens the source of ref. What it has to write goes to the workspace.
func open(ctx context.Context, ref image.Reference, w *workspace, l Limits) (source, error) {
	switch ref.Transport {
	case image.OCI:
		return openLayout(ref.Path)
	case image.OCIArchive:
		return openLayoutArchive(ctx, ref, w, l)
	case image.DockerArchive:
		return openDockerArchive(ctx, ref, w, l)
	}
	return nil, fmt.Errorf("no source for %q", ref.Transport)
}

// blobs are the files of a layout by their names inside it.
type blobs interface {
	// open gives the file and its size. errors.Is(err, fs.ErrNotExist) when
	// there is none.
	open(name string) (io.ReadCloser, int64, error)
	close() error
}

// folder is a layout in a directory. Nothing outside of it is ever read: a
// blob that is a symbolic link stays below the directory (os.Root).
type folder struct {
	root *os.Root
}

func (f folder) open(name string) (io.ReadCloser, int64, error) {
	// A FIFO in the layout must not hang us before it is refused.
	file, err := f.root.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, info.Size(), nil
}

func (f folder) close() error { return f.root.Close() }

package source

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"
	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

// podmanData are the documents of one image: its manifests and its config.
type podmanData struct{ dir string }

// open opens what a layout would have as blobs/sha256/HEX.
func (d podmanData) open(name string) (io.ReadCloser, int64, error) {
	digest := "sha256:" + strings.TrimPrefix(name, "blobs/sha256/")
	// The manifest of the image has a name of its own in old stores.
	for _, name := range []string{"manifest-" + digest, digest, "manifest"} {
		f, n, err := openRegular(d.path(name))
		if !errors.Is(err, fs.ErrNotExist) {
			return f, n, err
		}
	}
	return nil, 0, fmt.Errorf("%s: %w", digest, fs.ErrNotExist)
}

func (podmanData) close() error { return nil }

// path is the file of a document: names with other than small letters, digits
// and dots are encoded.
func (d podmanData) path(name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.") != "" {
		name = "=" + base64.StdEncoding.EncodeToString([]byte(name))
	}
	return filepath.Join(d.dir, name)
}

func (d podmanData) read(name string) ([]byte, error) {
	data, err := readBounded(d.path(name), bounds.Metadata)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, problem.New("pull it with podman again", "its manifest is not in the store")
	}
	return data, err
}

// indexOf finds an index that leads to the manifest, among the documents:
// podman keeps the one that the image was pulled by.
func (d podmanData) indexOf(names []string, manifest v1.Hash) v1.Hash {
	for _, name := range names {
		digest, is := strings.CutPrefix(name, "manifest-")
		hash, err := v1.NewHash(digest)
		if !is || err != nil || hash == manifest {
			continue
		}
		data, err := d.read(name)
		if err != nil || hashBytes(data) != hash || both(data) || !isIndex(v1.Descriptor{}, data) {
			continue
		}
		var index v1.IndexManifest
		if decode(data, &index, "index") != nil {
			continue
		}
		for _, led := range index.Manifests {
			if led.Digest == manifest {
				return hash
			}
		}
	}
	return v1.Hash{}
}

func openRegular(path string) (*os.File, int64, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

func readBounded(path string, limit int64) ([]byte, error) {
	f, _, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %s", path, bounds.Size(limit))
	}
	return data, err
}

// directory is where the content of a layer's files is.
func (l podmanLayer) directory() string {
	if l.store.driver == "vfs" {
		return filepath.Join(l.store.root, "vfs", "dir", l.ID)
	}
	return filepath.Join(l.store.root, "overlay", l.ID, "diff")
}

// open gives the layer's tar from offset on, put together again from what
// podman kept of it: the headers, and the files as it unpacked them.
func (l podmanLayer) open(ctx context.Context, offset int64) (io.ReadCloser, error) {
	split, _, err := openRegular(filepath.Join(l.store.root, l.store.driver+"-layers", l.ID+".tar-split.gz"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, problem.New(saveIt("NAME"), "podman keeps layer %s in a form that cannot be read here", l.DiffID)
	}
	if err != nil {
		return nil, err
	}
	headers, err := gzip.NewReader(bufio.NewReader(interruptible{ctx, split}))
	if err != nil {
		return nil, errors.Join(problem.New("pull it with podman again", "the headers of layer %s are damaged: %w", l.DiffID, err), split.Close())
	}
	dir, err := os.OpenFile(l.directory(), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, errors.Join(err, split.Close())
	}
	r, w := io.Pipe()
	tar := &rebuilt{PipeReader: r, done: make(chan struct{})}
	go func() {
		err := asm.WriteOutputTarStream(unpacked{dir}, storage.NewJSONUnpacker(&lines{r: headers}), w)
		w.CloseWithError(err) // nil is the end of the tar
		tar.err = errors.Join(dir.Close(), split.Close())
		close(tar.done)
	}()
	if _, err := io.CopyN(io.Discard, tar, offset); err != nil {
		return nil, errors.Join(err, tar.Close())
	}
	return tar, nil
}

// rebuilt is a tar that is being put together. Closing it ends that.
type rebuilt struct {
	*io.PipeReader
	done chan struct{}
	err  error // once done
}

func (r *rebuilt) Close() error {
	r.PipeReader.Close() // never fails
	<-r.done
	return r.err
}

// unpacked are the files of a layer that podman unpacked. A layer may have put
// its files behind its own symbolic links: they are followed as they were in
// the layer, never out of it.
type unpacked struct{ dir *os.File }

func (u unpacked) Get(name string) (io.ReadCloser, error) {
	fd, err := unix.Openat2(int(u.dir.Fd()), strings.TrimLeft(name, "/"), &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NOFOLLOW | nonblock,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, problem.New("pull it with podman again", "podman's copy of the layer has no %q: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), "file of a layer")
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = problem.New("pull it with podman again", "podman's copy of the layer has something else than a file at %q", name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// maxLine bounds one entry of the headers in bytes. It is JSON, read whole.
const maxLine = 16 << 20

// lines fails where a line has more than maxLine bytes.
type lines struct {
	r   io.Reader
	now int // bytes of the line so far
}

func (l *lines) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	last := bytes.LastIndexByte(p[:n], '\n')
	if last < 0 {
		l.now += n
	} else {
		l.now = n - last - 1
	}
	if l.now > maxLine {
		return 0, problem.New("pull it with podman again", "podman's headers of a layer have an entry of more than %s", bounds.Size(maxLine))
	}
	return n, err
}

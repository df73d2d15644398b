package source

import (
	"fmt"
	"io"
	"os"
)

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

// from reads r from offset on.
func from(r io.ReadCloser, offset int64) (io.ReadCloser, error) {
	if offset == 0 {
		return r, nil
	}
	seeker, ok := r.(io.Seeker)
	if !ok {
		_, err := io.CopyN(io.Discard, r, offset)
		return r, err
	}
	_, err := seeker.Seek(offset, io.SeekStart)
	return r, err
}

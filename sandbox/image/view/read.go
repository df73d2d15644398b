package view

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ReadFile reads the regular file at name, of at most limit bytes. Nothing
// else is ever opened: a FIFO would block and a device could act.
func (v *View) ReadFile(name string, limit int64) ([]byte, error) {
	n, err := v.find(name, true)
	if err != nil {
		return nil, explain(name, err)
	}
	content, err := v.read(n, limit)
	if err != nil {
		return nil, explain(name, err)
	}
	return content, nil
}

func (v *View) read(n node, limit int64) ([]byte, error) {
	if !n.info.Mode().IsRegular() {
		return nil, ErrIrregular
	}
	if n.info.Size() > limit {
		return nil, ErrTooLarge
	}
	f, err := v.open(n)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = ErrTooLarge
	}
	return content, err
}

// open opens a regular file or a directory for reading.
func (v *View) open(n node) (*os.File, error) {
	if !n.info.Mode().IsRegular() && !n.info.IsDir() {
		return nil, ErrIrregular
	}
	f, err := v.layers[n.layers[0]].OpenFile(n.path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(info, n.info) {
		err = ErrIrregular // it was replaced since
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

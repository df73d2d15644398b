package pull

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"
)

// TarFiles writes the files of an image into a tar. The same image always
// makes the same tar.
type TarFiles struct {
	w    *tar.Writer
	dirs map[string]bool
}

// NewTarFiles writes to w.
func NewTarFiles(w io.Writer) *TarFiles {
	return &TarFiles{w: tar.NewWriter(w), dirs: map[string]bool{}}
}

// Put implements Files.
func (t *TarFiles) Put(name string, size int64, content io.Reader) error {
	if err := t.parents(path.Dir(name)); err != nil {
		return err
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if size >= 8<<30 { // what USTAR has room for
		h.Format = tar.FormatPAX
	}
	if err := t.w.WriteHeader(h); err != nil {
		return err
	}
	_, err := io.Copy(t.w, content)
	return err
}

func (t *TarFiles) parents(dir string) error {
	if dir == "." || t.dirs[dir] {
		return nil
	}
	t.dirs[dir] = true
	if err := t.parents(path.Dir(dir)); err != nil {
		return err
	}
	return t.w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR})
}

// Close ends the tar.
func (t *TarFiles) Close() error { return t.w.Close() }

// DirFiles writes the files of an image below a directory.
type DirFiles struct{ Dir string }

// Put implements Files.
func (d DirFiles) Put(name string, _ int64, content io.Reader) error {
	file := filepath.Join(d.Dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Sync(), f.Close())
}

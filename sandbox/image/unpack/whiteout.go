package unpack

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
)

// The names that remove what a lower layer has (OCI image spec, layer.md).
const (
	whiteoutPrefix = ".wh."
	whiteoutMeta   = ".wh..wh." // aufs's own files
	whiteoutOpaque = ".wh..wh..opq"
)

// whiteouts carries out the whiteouts of one layer. The library's own way
// removes what the same layer has put into a directory that it has no entry
// for, when an opaque whiteout comes after it; the order must not matter.
type whiteouts struct {
	root   string
	budget *budget
	// ours are the paths that this layer has written, and the directories
	// they are in.
	ours map[string]struct{}
}

// convert is called for every entry with its resolved path below the root. It
// reports whether the entry is to be written.
func (w *whiteouts) convert(_ *tar.Header, path string) (bool, error) {
	dir, base := filepath.Split(path)
	dir = filepath.Clean(dir)
	switch {
	case base == whiteoutOpaque:
		return false, w.clear(dir)
	case strings.HasPrefix(base, whiteoutMeta):
		return false, nil
	case strings.HasPrefix(base, whiteoutPrefix):
		return false, w.remove(filepath.Join(dir, strings.TrimPrefix(base, whiteoutPrefix)))
	}
	return true, w.keep(path)
}

// keep remembers path and the directories above it.
func (w *whiteouts) keep(path string) error {
	for n := 0; len(path) > len(w.root); n++ {
		if _, known := w.ours[path]; known {
			return nil
		}
		w.ours[path] = struct{}{}
		if n == 0 {
			// Resolved through links, it may be longer than its name.
			if err := w.budget.takeNames(len(path)); err != nil {
				return err
			}
		} else if err := w.budget.takeEntries(1); err != nil {
			return err
		}
		path = filepath.Dir(path)
	}
	return nil
}

// remove removes path as the lower layers have it.
func (w *whiteouts) remove(path string) error {
	if _, ours := w.ours[path]; !ours {
		return os.RemoveAll(path)
	}
	if info, err := os.Lstat(path); err != nil || !info.IsDir() {
		return nil // replaced by this layer
	}
	return w.clear(path)
}

// clear removes what lower layers have put into the directory dir.
func (w *whiteouts) clear(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := w.budget.takeVisit(); err != nil {
			return err
		}
		path := filepath.Join(dir, e.Name())
		if _, ours := w.ours[path]; !ours {
			err = os.RemoveAll(path)
		} else if e.IsDir() {
			err = w.clear(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

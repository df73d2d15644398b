package unpack

import (
	"archive/tar"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// The names that remove what a lower layer has (OCI image spec, layer.md).
const (
	whiteoutPrefix = ".wh."
	whiteoutMeta   = ".wh..wh." // aufs's own files
	whiteoutOpaque = ".wh..wh..opq"
)

// Below is what the layers under a layer have, merged. Paths are relative to
// the root; links are not followed at the end of a path.
type Below interface {
	Lstat(path string) (fs.FileInfo, error)
	ReadDir(path string) ([]fs.FileInfo, error)
}

// overlay makes of a layer what overlayfs understands: a character device 0:0
// where something is removed, and directories with the attributes that the
// lower layers give them where the layer itself is silent.
//
// All of it is done when the layer's own entries are there, so that their
// order does not matter. An opaque directory is written out as one whiteout
// for each name that it hides: that takes no extended attribute, which only a
// filesystem's administrator may set.
type overlay struct {
	ctx    context.Context
	path   string // of root, for what the tar library says
	root   *os.Root
	top    *os.File // root's directory
	below  Below
	budget *Budget
	// ours says of each path of this layer whether it has an entry of its own.
	ours   map[string]bool
	gone   []string // what is removed
	opaque []string // directories of which all is removed
}

func newOverlay(ctx context.Context, l Layer, budget *Budget) (*overlay, error) {
	root, err := os.OpenRoot(l.Root)
	if err != nil {
		return nil, err
	}
	top, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &overlay{ctx: ctx, path: l.Root, root: root, top: top, below: l.Below, budget: budget, ours: map[string]bool{}}, nil
}

func (o *overlay) close() {
	o.top.Close()
	o.root.Close()
}

// convert is called for every entry with its resolved path below the root. It
// reports whether the entry is to be written.
func (o *overlay) convert(h *tar.Header, resolved string) (bool, error) {
	name, err := filepath.Rel(o.path, resolved)
	if err != nil || !filepath.IsLocal(name) {
		return false, fs.ErrInvalid // the library has resolved it below root
	}
	// Resolved through links, it may be longer than what the entry says.
	if err := checkLength(h.Name, "path", name); err != nil {
		return false, err
	}
	dir, base := path.Split(name)
	dir = path.Clean(dir)
	if !strings.HasPrefix(base, whiteoutPrefix) {
		return true, errors.Join(o.linkable(h), o.keep(name))
	}
	// The library has made the directory that the whiteout is in.
	if err := o.implied(dir); err != nil {
		return false, err
	}
	switch {
	case base == whiteoutOpaque:
		o.opaque = append(o.opaque, dir)
	case strings.HasPrefix(base, whiteoutMeta):
		return false, nil
	default:
		o.gone = append(o.gone, path.Join(dir, strings.TrimPrefix(base, whiteoutPrefix)))
	}
	return false, o.budget.takeNames(len(name))
}

// linkable refuses a hard link to a file of a lower layer: two layers of
// overlayfs cannot share one.
func (o *overlay) linkable(h *tar.Header) error {
	if h.Typeflag != tar.TypeLink || o.below == nil {
		return nil
	}
	target := path.Clean("/" + h.Linkname)[1:]
	if _, err := o.root.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := o.below.Lstat(target); err != nil {
		return nil
	}
	return odd(h.Name, "is a hard link to %q of a lower layer, which container engines do not support", h.Linkname)
}

// keep remembers name and the directories above it.
func (o *overlay) keep(name string) error {
	if !o.ours[name] {
		o.ours[name] = true
		if err := o.budget.takeNames(len(name)); err != nil {
			return err
		}
	}
	return o.implied(path.Dir(name))
}

// implied remembers the directories that exist because something is in them.
func (o *overlay) implied(dir string) error {
	for ; dir != "."; dir = path.Dir(dir) {
		if _, known := o.ours[dir]; known {
			return nil
		}
		o.ours[dir] = false
		if err := errors.Join(o.budget.takeEntries(1), o.budget.takeNames(len(dir))); err != nil {
			return err
		}
	}
	return nil
}

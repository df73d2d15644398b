package unpack

import (
	"archive/tar"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
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
	path   string // of root, for what the tar library says
	root   *os.Root
	below  Below
	budget *Budget
	// ours says of each path of this layer whether it has an entry of its own.
	ours   map[string]bool
	gone   []string // what is removed
	opaque []string // directories of which all is removed
}

func newOverlay(l Layer, budget *Budget) (*overlay, error) {
	root, err := os.OpenRoot(l.Root)
	if err != nil {
		return nil, err
	}
	return &overlay{path: l.Root, root: root, below: l.Below, budget: budget, ours: map[string]bool{}}, nil
}

func (o *overlay) close() { o.root.Close() }

// convert is called for every entry with its resolved path below the root. It
// reports whether the entry is to be written.
func (o *overlay) convert(h *tar.Header, resolved string) (bool, error) {
	name, err := filepath.Rel(o.path, resolved)
	if err != nil || !filepath.IsLocal(name) {
		return false, fs.ErrInvalid // the library has resolved it below root
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
		// Resolved through links, it may be longer than what the entry says.
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

// finish writes what the entries mean to the layers below.
func (o *overlay) finish() error {
	if o.below == nil {
		return nil
	}
	for name, own := range o.ours {
		if !own {
			if err := o.inherit(name); err != nil {
				return err
			}
		}
	}
	for _, name := range o.gone {
		if err := o.remove(name); err != nil {
			return err
		}
	}
	for _, dir := range o.opaque {
		if err := o.hide(dir); err != nil {
			return err
		}
	}
	return nil
}

// inherit gives a directory that the layer has no entry for the mode and the
// owner that it has below.
func (o *overlay) inherit(dir string) error {
	was, err := o.below.Lstat(dir)
	if err != nil || !was.IsDir() {
		return nil // nothing is inherited from what is not there
	}
	if now, err := o.root.Lstat(dir); err != nil || !now.IsDir() {
		return nil // replaced by a later entry
	}
	owner := was.Sys().(*syscall.Stat_t)
	if err := o.root.Lchown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
		return err
	}
	return o.root.Chmod(dir, was.Mode().Perm()|was.Mode()&fs.ModeSticky)
}

// remove takes away name as the lower layers have it.
func (o *overlay) remove(name string) error {
	now, err := o.root.Lstat(name)
	switch {
	case err == nil && now.IsDir():
		return o.hide(name) // made anew by this layer
	case err == nil:
		return nil // replaced by this layer
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if _, err := o.below.Lstat(name); err != nil {
		return nil // nothing to remove
	}
	return o.whiteout(name)
}

// hide takes away what the lower layers have in dir, a directory of this
// layer.
func (o *overlay) hide(dir string) error {
	if was, err := o.below.Lstat(dir); err != nil || !was.IsDir() {
		return nil // nothing below to hide
	}
	entries, err := o.below.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := o.budget.takeVisit(); err != nil {
			return err
		}
		if err := o.remove(path.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// whiteout makes the device that hides name. Since Linux 5.8 it takes no
// capability.
func (o *overlay) whiteout(name string) error {
	if err := o.budget.takeEntries(1); err != nil {
		return err
	}
	dir, err := o.root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	err = unix.Mknodat(int(dir.Fd()), path.Base(name), unix.S_IFCHR, 0)
	if errors.Is(err, fs.ErrExist) {
		return nil // two whiteouts of one name
	}
	return os.NewSyscallError("mknod", err)
}

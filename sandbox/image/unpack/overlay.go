package unpack

import (
	"archive/tar"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image/view"
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

// finish writes what the entries mean to the layers below. Names are taken in
// order, so that what is near to each other is looked up in turn.
func (o *overlay) finish() error {
	if o.below == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(o.ours)) {
		if o.ours[name] {
			continue
		}
		if err := o.inherit(name); err != nil {
			return err
		}
	}
	slices.Sort(o.gone)
	for _, name := range o.gone {
		if err := o.removeOne(name); err != nil {
			return err
		}
	}
	slices.Sort(o.opaque)
	for _, dir := range slices.Compact(o.opaque) {
		if err := o.hide(dir); err != nil {
			return err
		}
	}
	return nil
}

// directory opens a directory of this layer; nil when a later entry has
// replaced it, or one above it, by something else. A link that is there now is
// not followed: what was meant is what it replaced.
func (o *overlay) directory(name string) (*os.File, error) {
	fd, err := unix.Openat2(int(o.top.Fd()), name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	switch {
	case err == nil:
		return os.NewFile(uintptr(fd), name), nil
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return nil, nil
	}
	return nil, os.NewSyscallError("openat2", err)
}

// lower says what the layers below have at name; nil when that is nothing. A
// link above it that leads nowhere is as good as nothing: this layer has a
// directory in its place.
func (o *overlay) lower(name string) (fs.FileInfo, error) {
	if err := errors.Join(o.ctx.Err(), o.budget.takeVisit()); err != nil {
		return nil, err
	}
	info, err := o.below.Lstat(name)
	for _, nothing := range []error{fs.ErrNotExist, unix.ENOTDIR, view.ErrLoop, view.ErrTooDeep} {
		if errors.Is(err, nothing) {
			return nil, nil
		}
	}
	return info, err
}

// inherit gives a directory that the layer has no entry for the mode and the
// owner that it has below.
func (o *overlay) inherit(name string) error {
	was, err := o.lower(name)
	if err != nil || was == nil || !was.IsDir() {
		return err // nothing is inherited from what is not there
	}
	dir, err := o.directory(name)
	if dir == nil || err != nil {
		return err
	}
	defer dir.Close()
	owner := was.Sys().(*syscall.Stat_t)
	if err := dir.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
		return err
	}
	return dir.Chmod(was.Mode().Perm() | was.Mode()&fs.ModeSticky)
}

// removeOne takes away name as the lower layers have it.
func (o *overlay) removeOne(name string) error {
	dir, err := o.directory(path.Dir(name))
	if dir == nil || err != nil {
		return err
	}
	defer dir.Close()
	return o.remove(dir, name)
}

// remove is removeOne in a directory that is open.
func (o *overlay) remove(dir *os.File, name string) error {
	var now unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), path.Base(name), &now, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case err == nil && now.Mode&unix.S_IFMT == unix.S_IFDIR:
		return o.hide(name) // made anew by this layer
	case err == nil:
		return nil // replaced by this layer
	case !errors.Is(err, fs.ErrNotExist):
		return os.NewSyscallError("fstatat", err)
	}
	if was, err := o.lower(name); was == nil || err != nil {
		return err // nothing to remove
	}
	return o.whiteout(dir, path.Base(name))
}

// hide takes away what the lower layers have in a directory of this layer.
func (o *overlay) hide(name string) error {
	dir, err := o.directory(name)
	if dir == nil || err != nil {
		return err
	}
	defer dir.Close()
	was, err := o.lower(name)
	if err != nil || was == nil || !was.IsDir() {
		return err // nothing below to hide
	}
	entries, err := o.below.ReadDir(name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := o.budget.takeVisit(); err != nil {
			return err
		}
		if err := o.remove(dir, path.Join(name, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// whiteout makes the device that hides base in dir. Since Linux 5.8 it takes
// no capability.
func (o *overlay) whiteout(dir *os.File, base string) error {
	if err := o.budget.takeEntries(1); err != nil {
		return err
	}
	err := unix.Mknodat(int(dir.Fd()), base, unix.S_IFCHR, 0)
	if errors.Is(err, fs.ErrExist) {
		return nil // two whiteouts of one name
	}
	return os.NewSyscallError("mknod", err)
}

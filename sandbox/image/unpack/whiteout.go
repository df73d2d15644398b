package unpack

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image/view"
)

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

// Package livediff finds what a running container has changed in its root: it
// compares overlayfs's upper layer, where every change ends up, with the image
// below it.
package livediff

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// Kind is docker's letter for a change.
type Kind string

// The kinds.
const (
	Added   Kind = "A"
	Changed Kind = "C"
	Deleted Kind = "D"
)

// Change is one path that is not as it is in the image.
type Change struct {
	Kind Kind   `json:"kind"`
	Path string `json:"path"`
}

// Image is the tree below; a view.View is one. Paths are relative.
type Image interface {
	Lstat(name string) (fs.FileInfo, error)
	ReadDir(name string) ([]fs.FileInfo, error)
}

// Layer is what was written, and what it was written over.
type Layer struct {
	// Upper is the directory of what was written. Whoever gets it closes it.
	Upper *os.File
	// Image is nil when there is nothing below.
	Image Image
	// Made are files and mount points that were made for the container: true.
	// Directories that lead to them: false.
	Made map[string]bool
	// Number gives an owner in Upper as the image numbers it.
	Number func(uid, gid uint32) (uint32, uint32)
}

// The bounds of what is listed: a container makes as many files as it has
// memory for.
const (
	mostChanges = 1 << 20
	mostPath    = 4095
	mostNames   = 64 << 20 // bytes of all the names together
)

// Find lists the changes in the order of their paths.
func (l *Layer) Find(ctx context.Context) ([]Change, error) {
	f := finder{Layer: l, found: map[string]Kind{}}
	dir, err := openDir(l.Upper, ".")
	if err != nil {
		return nil, err
	}
	if err := f.dir(ctx, dir, "", l.Image != nil); err != nil {
		return nil, err
	}
	if err := f.above(); err != nil {
		return nil, err
	}
	changes := make([]Change, 0, len(f.found))
	for name, kind := range f.found {
		changes = append(changes, Change{kind, name})
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(a.Path, b.Path) })
	return changes, nil
}

type finder struct {
	*Layer
	found map[string]Kind // by paths from /, which are held once
	names int             // bytes of names that are held
}

func openDir(at *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(at.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// dir looks through a directory of the upper layer, which it closes. below says
// whether the image has a directory there; name is empty or begins with a slash.
func (f *finder) dir(ctx context.Context, dir *os.File, name string, below bool) error {
	defer dir.Close()
	var here map[string]bool
	if below && opaque(dir) {
		here = map[string]bool{}
	}
	for {
		names, err := dir.Readdirnames(64) // held once for each level
		for _, child := range names {
			if here != nil {
				if err := f.hold(len(child)); err != nil {
					return err
				}
				here[child] = true
			}
			if err := errors.Join(ctx.Err(), f.child(ctx, dir, [2]string{name, child}, below)); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if here == nil {
		return nil
	}
	err := f.hidden(name, here)
	for child := range here {
		f.names -= len(child)
	}
	return err
}

// hold counts names that are kept.
func (f *finder) hold(bytes int) error {
	if f.names += bytes; f.names > mostNames {
		return problem.New(insideHint, "the names of what has changed take more than %d MiB", mostNames>>20)
	}
	return nil
}

const insideHint = "look from inside: safe-run exec NAME find / -xdev"

// opaque says whether a directory was removed and made again: what the image
// has in it is gone.
func opaque(dir *os.File) bool {
	var value [2]byte
	n, err := unix.Fgetxattr(int(dir.Fd()), "trusted.overlay.opaque", value[:])
	return err == nil && n == 1 && value[0] == 'y'
}

// hidden lists what an opaque directory has no more.
func (f *finder) hidden(name string, here map[string]bool) error {
	before, err := f.Image.ReadDir(relative(name))
	if err != nil {
		return err
	}
	for _, info := range before {
		if !here[info.Name()] {
			if err := f.note(name+"/"+info.Name(), Deleted); err != nil {
				return err
			}
		}
	}
	return nil
}

// child looks at one name of a directory; at is the directory's and its own.
func (f *finder) child(ctx context.Context, dir *os.File, at [2]string, below bool) error {
	name := at[0] + "/" + at[1]
	if len(name) > mostPath {
		return problem.New(insideHint, "the container has made directories too deep to be listed")
	}
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), at[1], &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return ignoreGone(err)
	}
	old := f.old(name, below)
	made, ours := f.Made[name[1:]]
	format := st.Mode & unix.S_IFMT
	switch {
	case format == unix.S_IFCHR && st.Rdev == 0: // a whiteout
		if old != nil {
			return f.note(name, Deleted)
		}
		return nil
	case ours && (made || old == nil):
	case old == nil:
		if err := f.note(name, Added); err != nil {
			return err
		}
	case f.differs(old, &st):
		if err := f.note(name, Changed); err != nil {
			return err
		}
	}
	if format != unix.S_IFDIR {
		return nil
	}
	sub, err := openDir(dir, at[1])
	if err != nil {
		return ignoreGone(err)
	}
	return f.dir(ctx, sub, name, old != nil && old.IsDir())
}

// old is what the image has at name, or nil.
func (f *finder) old(name string, below bool) fs.FileInfo {
	if !below {
		return nil
	}
	info, err := f.Image.Lstat(relative(name))
	if err != nil {
		return nil
	}
	return info
}

func (f *finder) note(name string, kind Kind) error {
	if len(f.found) >= mostChanges {
		return problem.New(insideHint, "more than %d files have changed", mostChanges)
	}
	if err := f.hold(len(name)); err != nil {
		return err
	}
	f.found[name] = kind
	return nil
}

// above marks the directories that lead to a change, as docker does.
func (f *finder) above() error {
	names := make([]string, 0, len(f.found))
	for name := range f.found {
		names = append(names, name)
	}
	for _, name := range names {
		for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
			if _, known := f.found[dir]; known {
				break // and so are those above it, or will be
			}
			if err := f.note(dir, Changed); err != nil {
				return err
			}
		}
	}
	return nil
}

// relative is a path as the image wants it.
func relative(name string) string {
	if name == "" {
		return "."
	}
	return name[1:]
}

// ignoreGone: the container goes on while it is looked at.
func ignoreGone(err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil
	}
	return err
}

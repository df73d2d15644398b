package pull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/view"
	"github.com/safe-run/safe-run/spec/problem"
)

// Flatten writes the merged tree of an image to dir, which must not exist or
// be empty: a root filesystem for tools that know no layers. The image is
// pulled first when it is not in the store.
func Flatten(ctx context.Context, reference, dir string, o Options) error {
	ref, err := image.Parse(reference)
	if err != nil {
		return err
	}
	record, err := Pull(ctx, reference, o)
	if err != nil {
		return err
	}
	if err := flatten(ctx, record.Digest, dir, o.Store); err != nil {
		return explain(ref, err)
	}
	return nil
}

func flatten(ctx context.Context, digest, dir, storeDir string) error {
	store, err := image.OpenStore(storeDir)
	if err != nil {
		return err
	}
	lock, err := store.Share(ctx, digest)
	if err != nil {
		return err
	}
	defer lock.Release()
	entry := store.Entry(digest)
	if entry == nil || !store.Complete(entry) {
		return problem.New("pull it again", "%s was removed meanwhile", digest)
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return problem.New("make the directory above it", "write to %s: %w", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return problem.New("name a new directory", "write to %s: %w", dir, err)
	}
	defer root.Close()
	if names, err := fs.ReadDir(root.FS(), "."); err != nil || len(names) > 0 {
		return problem.New("name a new directory", "%s is not empty", dir)
	}
	if len(entry.Layers) == 0 {
		return nil
	}
	tree, err := view.Open(store.Trees(entry))
	if err != nil {
		return err
	}
	defer tree.Close()
	c := copier{ctx: ctx, root: root, links: map[[2]uint64]string{}}
	return tree.Walk(c.copy)
}

// copier writes what a walk shows below root.
type copier struct {
	ctx  context.Context
	root *os.Root
	// links are the first names of files that have several, by device and
	// inode.
	links map[[2]uint64]string
}

func (c *copier) copy(e view.Entry) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	st := e.Info.Sys().(*syscall.Stat_t)
	if err := c.make(e, st); err != nil {
		return fmt.Errorf("%q: %w", e.Path, err)
	}
	if err := c.root.Lchown(e.Path, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if e.Info.Mode().Type() == fs.ModeSymlink {
		return nil
	}
	// After the owner: changing that takes bits away.
	if err := c.root.Chmod(e.Path, e.Info.Mode().Perm()|e.Info.Mode()&fs.ModeSticky); err != nil {
		return err
	}
	if e.Info.IsDir() {
		return nil // what is written into it changes its time again
	}
	return c.root.Chtimes(e.Path, e.Info.ModTime(), e.Info.ModTime())
}

// make makes the file itself.
func (c *copier) make(e view.Entry, st *syscall.Stat_t) error {
	switch e.Info.Mode().Type() {
	case fs.ModeDir:
		if e.Path == "." {
			return nil
		}
		return c.root.Mkdir(e.Path, 0o700)
	case fs.ModeSymlink:
		target, err := e.Readlink()
		if err != nil {
			return err
		}
		return c.root.Symlink(target, e.Path)
	case fs.ModeNamedPipe:
		return c.pipe(e.Path)
	case 0:
		key := [2]uint64{uint64(st.Dev), st.Ino}
		if first, known := c.links[key]; known {
			return c.root.Link(first, e.Path)
		}
		if st.Nlink > 1 {
			c.links[key] = e.Path
		}
		return c.file(e)
	}
	return fs.ErrInvalid // the unpacker makes nothing else
}

func (c *copier) file(e view.Entry) error {
	from, err := e.Open()
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := c.root.OpenFile(e.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, interruptible{c.ctx, from})
	return errors.Join(err, to.Close())
}

func (c *copier) pipe(path string) error {
	parent, err := c.root.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer parent.Close()
	return os.NewSyscallError("mknod", unix.Mknodat(int(parent.Fd()), filepath.Base(path), unix.S_IFIFO|0o600, 0))
}

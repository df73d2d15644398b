package volume

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// Bounds of what a volume takes over from an image. An image has at most so
// much when it was unpacked here; a directory that is one has no bounds.
const (
	mostEntries = 1_000_000
	mostBytes   = 16 << 30
	mostDepth   = 255
)

// highestID is the highest user and group id that a container has.
const highestID = 65535

// fill puts the image's content into an empty volume that nobody else uses. It
// is copied aside and put in place whole, so that a copy which was killed is
// begun anew.
func (s *Store) fill(ctx context.Context, dir int, u Use, v Volume) (bool, error) {
	if u.Content == nil {
		return false, nil
	}
	content, err := u.Content()
	if err != nil || content == nil {
		return false, err
	}
	defer content.Close()
	aside := filepath.Join(s.path(v.Name), fillDir)
	if err := removeTree(aside); err != nil { // of one that was killed
		return false, err
	}
	to, err := makeDir(dir, fillDir)
	if err != nil {
		return false, problem.New(roomHint, "volume %s: %w", v.Name, err)
	}
	defer to.Close()
	if v.Size > 0 {
		if err := setProject(to, v.Project); err != nil {
			return false, s.noSize(err)
		}
	}
	if err := copyTree(ctx, content, to, u, v); err != nil {
		return false, errors.Join(err, removeTree(aside))
	}
	if err := unix.Syncfs(int(to.Fd())); err != nil {
		return false, problem.New(roomHint, "volume %s: %w", v.Name, err)
	}
	if err := unix.Renameat(dir, fillDir, dir, dataDir); err != nil {
		return false, &os.LinkError{Op: "rename", Old: fillDir, New: dataDir, Err: err}
	}
	return true, os.NewSyscallError("fsync", unix.Fsync(dir))
}

// copier copies a tree of the image. Both ends are roots that no link leads out
// of, and only what is neither a device nor a socket nor a pipe is copied.
type copier struct {
	ctx     context.Context
	entries int
	bytes   int64
	most    int64
	buffer  []byte
	linked  map[uint64]linked
}

// linked is the copy of a file with several names.
type linked struct {
	dev  uint64
	path string
}

// pair is one directory at both ends.
type pair struct {
	from, to *os.Root
	path     string // from the top
	depth    int
}

func copyTree(ctx context.Context, from *os.Root, to *os.File, u Use, v Volume) error {
	root, err := os.OpenRoot(filepath.Join("/proc/self/fd", fdName(to)))
	if err != nil {
		return err
	}
	defer root.Close()
	c := &copier{ctx: ctx, most: mostBytes, buffer: make([]byte, 256<<10), linked: map[uint64]linked{}}
	if v.Size > 0 {
		c.most = min(c.most, v.Size)
	}
	top, err := from.Stat(".")
	if err == nil {
		err = c.directory(pair{from: from, to: root, path: "."}, root)
	}
	if err != nil {
		return copyProblem(v, err)
	}
	st := top.Sys().(*syscall.Stat_t)
	uid, gid := inside(st.Uid), inside(st.Gid)
	if uid == 0 {
		// A directory of root's says little: root is in few containers. It is
		// for whoever the program runs as.
		uid, gid = u.UID, u.GID
	}
	return finishCopy(root, ".", looks{top, uid, gid})
}

// copyProblem says in one line why the image's content is not in a volume.
func copyProblem(v Volume, err error) error {
	const without = "leave the image's content out: -v " + "NAME:/path:nocopy"
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return problem.New("make room, or give it a larger size; or "+without, "the image's content does not fit into volume %s: %w", v.Name, err)
	}
	return problem.New(without, "copy the image's content into volume %s: %w", v.Name, err)
}

// inside is an id as the container has it; one that it cannot have is root's.
func inside(id uint32) uint32 {
	if id > highestID {
		return 0
	}
	return id
}

func (c *copier) directory(at pair, top *os.Root) error {
	if at.depth > mostDepth {
		return errors.New("its directories are too deep")
	}
	dir, err := at.from.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(256)
		for _, name := range names {
			if err := c.entry(at, name, top); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *copier) entry(at pair, name string, top *os.Root) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if c.entries++; c.entries > mostEntries {
		return errors.New("it has too many files")
	}
	info, err := at.from.Lstat(name)
	if err != nil {
		return err
	}
	st := info.Sys().(*syscall.Stat_t)
	switch info.Mode().Type() {
	case 0:
		err = c.file(at, name, info, top)
	case fs.ModeDir:
		err = c.subdirectory(at, name, top)
	case fs.ModeSymlink:
		var target string
		if target, err = at.from.Readlink(name); err == nil {
			err = at.to.Symlink(target, name)
		}
	default:
		return nil
	}
	if err != nil {
		return err
	}
	return finishCopy(at.to, name, looks{info, inside(st.Uid), inside(st.Gid)})
}

func (c *copier) subdirectory(at pair, name string, top *os.Root) error {
	if err := at.to.Mkdir(name, 0o700); err != nil {
		return err
	}
	next := pair{path: filepath.Join(at.path, name), depth: at.depth + 1}
	var err error
	if next.from, err = at.from.OpenRoot(name); err != nil {
		return err
	}
	defer next.from.Close()
	if next.to, err = at.to.OpenRoot(name); err != nil {
		return err
	}
	defer next.to.Close()
	return c.directory(next, top)
}

func (c *copier) file(at pair, name string, info fs.FileInfo, top *os.Root) error {
	st := info.Sys().(*syscall.Stat_t)
	if st.Nlink > 1 {
		if l, ok := c.linked[st.Ino]; ok && l.dev == uint64(st.Dev) {
			return top.Link(l.path, filepath.Join(at.path, name))
		}
		c.linked[st.Ino] = linked{uint64(st.Dev), filepath.Join(at.path, name)}
	}
	from, err := at.from.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer from.Close()
	if now, err := from.Stat(); err != nil || !now.Mode().IsRegular() {
		return errors.Join(err, errors.New(name+" was changed meanwhile"))
	}
	to, err := at.to.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{to}, io.LimitReader(from, c.most-c.bytes+1), c.buffer)
	if c.bytes += n; err == nil && c.bytes > c.most {
		err = unix.EDQUOT
	}
	return errors.Join(err, to.Close())
}

// looks is what a copy is to look like.
type looks struct {
	fs.FileInfo
	uid, gid uint32
}

// finishCopy gives a copy its owner, mode and time. What makes a program run as
// somebody else is left out: a volume is nosuid, and may be mounted elsewhere.
func finishCopy(to *os.Root, name string, like looks) error {
	if err := to.Lchown(name, int(like.uid), int(like.gid)); err != nil {
		return err
	}
	if like.Mode().Type() == fs.ModeSymlink {
		return nil
	}
	mode := like.Mode().Perm() | like.Mode()&fs.ModeSticky
	if like.IsDir() {
		mode |= like.Mode() & fs.ModeSetgid // who owns what is made in it
	}
	if err := to.Chmod(name, mode); err != nil {
		return err
	}
	return to.Chtimes(name, like.ModTime(), like.ModTime())
}

package copy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// writer makes entries below a directory. A file is written under a name of its
// own and renamed when it is whole, so that what cannot be finished leaves
// nothing, and nothing that was there is written through.
type writer struct {
	tree *Tree
	root *os.File
	// where is root's path, for people.
	where string
	// keep gives entries the owner that they come with, and inside setuid and
	// setgid.
	keep     bool
	progress func(written int64)
	// leave tells of an entry that is not made.
	leave func(what string)

	as *user
	// near is the directory of the last entry, which mostly is the next one's.
	near struct {
		name string
		dir  *os.File
	}
	// dirs get their times when all is in them.
	dirs  []Entry
	names names
}

// put makes one entry.
func (w *writer) put(ctx context.Context, e Entry, content io.Reader) error {
	if err := errors.Join(ctx.Err(), checkName(e.Name)); err != nil {
		return err
	}
	if e.Name == "." {
		if e.Kind != Dir {
			return problem.New("", "a %s has no name", e.Kind)
		}
		return nil // it is there, and stays as it is
	}
	if !w.keep || w.tree.Root == nil {
		// A number of the container's is another user on the host: its root is
		// the host's.
		e.Mode &^= unix.S_ISUID | unix.S_ISGID
	}
	if w.refused(e) {
		return nil
	}
	uid, gid, err := w.owner(e)
	if err != nil {
		return err
	}
	if err := w.as.become(uid, gid); err != nil {
		return err
	}
	parent, err := w.above(path.Dir(e.Name))
	if err != nil {
		return w.failed(e.Name, nil, err)
	}
	m := making{writer: w, Entry: e, parent: parent, base: path.Base(e.Name), uid: uid, gid: gid}
	if e.Kind == Dir {
		return w.failed(e.Name, parent, m.dir())
	}
	return w.failed(e.Name, parent, m.replace(ctx, content))
}

// refused leaves out what is no data. A FIFO is harmless inside a container; on
// the host whoever opens it would wait for one who is not there.
func (w *writer) refused(e Entry) bool {
	switch e.Kind {
	case Char, Block, Socket:
	case FIFO:
		if w.tree.Root != nil {
			return false
		}
	default:
		return false
	}
	w.leave(fmt.Sprintf("%s is a %s and was left out", shown(path.Join(w.where, e.Name)), e.Kind))
	return true
}

// owner is who an entry is made by, as numbers of the host.
func (w *writer) owner(e Entry) (uid, gid uint32, err error) {
	if !w.keep {
		return w.tree.UID, w.tree.GID, nil
	}
	uid, userKnown := outside(w.tree.IDs.Users, e.UID)
	gid, groupKnown := outside(w.tree.IDs.Groups, e.GID)
	if !userKnown || !groupKnown {
		err = problem.New("leave out -a: the copies then belong to the container's user",
			"%s belongs to %d:%d, which the container has no ids for", shown(e.Name), e.UID, e.GID)
	}
	return uid, gid, err
}

// above opens the directory that an entry goes into. One that only its names
// imply is made.
func (w *writer) above(name string) (*os.File, error) {
	if name == w.near.name && w.near.dir != nil {
		return w.near.dir, nil
	}
	dir, err := openBelow(w.root, name, unix.O_PATH|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) && name != "." {
		if _, err = w.above(path.Dir(name)); err != nil {
			return nil, err
		}
		if err = unix.Mkdirat(int(w.near.dir.Fd()), path.Base(name), 0o755); err != nil {
			return nil, err
		}
		dir, err = openBelow(w.root, name, unix.O_PATH|unix.O_DIRECTORY)
	}
	if err != nil {
		return nil, err
	}
	w.forget()
	w.near.name, w.near.dir = name, dir
	return dir, nil
}

func (w *writer) forget() {
	if w.near.dir != nil {
		w.near.dir.Close()
		w.near.dir = nil
	}
}

// finish sets the times of directories, the deepest first.
func (w *writer) finish() error {
	for i := len(w.dirs) - 1; i >= 0; i-- {
		e := w.dirs[i]
		dir, err := openBelow(w.root, e.Name, unix.O_RDONLY|unix.O_DIRECTORY)
		if err == nil {
			err = setTime(dir, e)
			dir.Close()
		}
		if err != nil {
			return w.failed(e.Name, nil, err)
		}
	}
	return nil
}

// failed explains why an entry cannot be made in a directory.
func (w *writer) failed(name string, dir *os.File, err error) error {
	name = path.Join(w.where, name)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, unix.EROFS) && dir != nil && w.tree.ReadOnly != nil:
		if where, hint := w.tree.ReadOnly(mountOf(dir)); where != "" {
			return problem.New(hint, "write %s: %s is mounted read-only in %s: %w", shown(name), shown(where), w.tree.Container, err)
		}
	}
	return failed("write", name, err)
}

// mountOf is the number of the mount that f is on (/proc/PID/mountinfo).
func mountOf(f *os.File) int {
	var st unix.Statx_t
	if unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st) != nil || st.Mask&unix.STATX_MNT_ID == 0 {
		return 0
	}
	return int(st.Mnt_id)
}

// newName is one that nobody has.
func newName() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails on Linux
	return fmt.Sprintf(".safe-run-copy-%x", b)
}

package copy

import (
	"context"
	"errors"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// making is one entry as it is made: base in parent.
type making struct {
	*writer
	Entry
	parent   *os.File
	base     string
	uid, gid uint32
}

// path is where it is made, for people.
func (m *making) path() string { return shown(path.Join(m.where, m.Name)) }

// dir makes a directory, or goes on with the one that is there: that keeps its
// owner and mode, unless those of the source are asked for.
func (m *making) dir() error {
	err := unix.Mkdirat(int(m.parent.Fd()), m.base, 0o700)
	fresh := err == nil
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	dir, err := openAt(m.parent, m.base, unix.O_RDONLY|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return problem.New("remove it first", "%s is a directory, and something else of that name is there", m.path())
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	st, err := stat(dir)
	if err != nil {
		return err
	}
	if !fresh && !m.keep {
		return nil
	}
	if fresh && st.Uid != m.uid && m.tree.Root != nil {
		return m.replaced()
	}
	if err := m.dress(dir, st); err != nil {
		return err
	}
	if !m.names.take(m.Name) {
		return problem.New("copy it in parts, from further down", "%s is one of too many directories for one copy", m.path())
	}
	m.dirs = append(m.dirs, Entry{Name: m.Name, Sec: m.Sec, Nsec: m.Nsec})
	return nil
}

// replaced says that something else has taken the place of what was made.
func (m *making) replaced() error {
	return problem.New("something changes it meanwhile: safe-run pause the container, or copy again", "%s was replaced while it was copied", m.path())
}

// dress gives owner and mode to what f names. The owner comes first, because a
// change of it clears setuid.
func (m *making) dress(f *os.File, st unix.Stat_t) error {
	if st.Uid != m.uid || st.Gid != m.gid {
		if err := unix.Fchown(int(f.Fd()), int(m.uid), int(m.gid)); err != nil {
			return err
		}
	}
	return unix.Fchmod(int(f.Fd()), m.Mode)
}

// replace makes anything but a directory under a name of its own, and then puts
// it in place. Where it fails nothing is left.
func (m *making) replace(ctx context.Context, content io.Reader) error {
	at, name := int(m.parent.Fd()), newName()
	defer unix.Unlinkat(at, name, 0) // mostly, it has been renamed
	var err error
	switch m.Kind {
	case File:
		err = m.file(ctx, name, content)
	case Symlink:
		err = m.symlink(name)
	case Hard:
		err = m.link(name)
	case FIFO:
		err = m.fifo(name)
	default:
		err = problem.New("", "%s is of an unknown kind", m.path())
	}
	if err != nil {
		return err
	}
	err = unix.Renameat(at, name, at, m.base)
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENOTEMPTY) {
		return problem.New("remove it first", "%s is a %s, and a directory of that name is there", m.path(), m.Kind)
	}
	return err
}

func (m *making) file(ctx context.Context, name string, content io.Reader) error {
	fd, err := unix.Openat(int(m.parent.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	f, err := opened(fd, err)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := m.fill(ctx, f, content); err != nil {
		return err
	}
	st, err := stat(f)
	if err != nil {
		return err
	}
	if err := m.dress(f, st); err != nil {
		return err
	}
	if err := setTime(f, m.Entry); err != nil {
		return err
	}
	return f.Close() // a filesystem of the network says here that it is full
}

// link makes a further name of a file of the same copy.
func (m *making) link(name string) error {
	if err := checkName(m.Target); err != nil {
		return err
	}
	dir, err := openBelow(m.root, path.Dir(m.Target), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer dir.Close()
	err = unix.Linkat(int(dir.Fd()), path.Base(m.Target), int(m.parent.Fd()), name, 0)
	if errors.Is(err, unix.ENOENT) {
		return problem.New("copy from a directory that holds both", "%s is a hard link to %s, which is not there", m.path(), shown(m.Target))
	}
	return err
}

func (e *Entry) times() []unix.Timespec {
	changed := unix.Timespec{Sec: e.Sec, Nsec: e.Nsec}
	return []unix.Timespec{changed, changed}
}

func setTime(f *os.File, e Entry) error {
	return unix.UtimesNanoAt(int(f.Fd()), "", e.times(), unix.AT_EMPTY_PATH)
}

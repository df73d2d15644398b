package copy

import (
	"fmt"

	"golang.org/x/sys/unix"
)

func (m *making) symlink(name string) error {
	if err := unix.Symlinkat(m.Target, int(m.parent.Fd()), name); err != nil {
		return err
	}
	return m.special(name, unix.S_IFLNK)
}

func (m *making) fifo(name string) error {
	if err := unix.Mkfifoat(int(m.parent.Fd()), name, 0o600); err != nil {
		return err
	}
	return m.special(name, unix.S_IFIFO)
}

// special gives owner, mode and time to what was made under a name and cannot be
// opened as files are. By then the container may have put something else there,
// or another name of it: it is held, and must be what was made.
func (m *making) special(name string, kind uint32) error {
	f, err := openAt(m.parent, name, unix.O_PATH)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := stat(f)
	if err != nil {
		return err
	}
	// Who makes a file owns it; only a server of the network may see it otherwise.
	if st.Mode&unix.S_IFMT != kind || st.Nlink != 1 || st.Uid != m.uid && m.tree.Root != nil {
		return m.replaced()
	}
	// Its owner is mostly right: a directory with setgid gives another group.
	if st.Uid != m.uid || st.Gid != m.gid {
		if err := unix.Fchownat(int(f.Fd()), "", int(m.uid), int(m.gid), unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	if kind != unix.S_IFLNK { // a link has no mode
		if err := unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), m.Mode); err != nil {
			return err
		}
	}
	return setTime(f, m.Entry)
}

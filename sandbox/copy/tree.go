package copy

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Tree is one side of a copy: the host, or a container.
type Tree struct {
	// Container is what it is called; empty: the host.
	Container string
	// Root is the container's root directory, opened to name it.
	Root *os.File
	IDs  IDs
	// UID and GID own what is copied in when its own owner is not kept, as
	// numbers of the host.
	UID, GID uint32
	// ReadOnly says for the number of a mount where it is inside, and what
	// would make it writable.
	ReadOnly func(mount int) (where, hint string)
}

// Host is the host's side: what is made belongs to the caller.
func Host() *Tree { return &Tree{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())} }

// mostTries bounds how often a look-up starts again because something was
// renamed on the way.
const mostTries = 10_000

// open opens a path of the tree. In a container links and ".." end at its root,
// whatever is changed while they are followed.
func (t *Tree) open(path string, flags int) (*os.File, error) {
	if t.Root == nil {
		return opened(unix.Open(path, flags|unix.O_CLOEXEC, 0))
	}
	return openat2(t.Root, path, flags, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
}

// openBelow opens a name below a directory without following any link.
func openBelow(dir *os.File, name string, flags int) (*os.File, error) {
	return openat2(dir, name, flags|unix.O_NOFOLLOW, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_MAGICLINKS)
}

func openat2(dir *os.File, name string, flags int, resolve uint64) (*os.File, error) {
	how := unix.OpenHow{Flags: uint64(flags) | unix.O_CLOEXEC, Resolve: resolve}
	for try := 0; ; try++ {
		fd, err := unix.Openat2(int(dir.Fd()), name, &how)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) && try < mostTries {
			continue
		}
		return opened(fd, err)
	}
}

// openAt opens a single name in a directory, never what a link points to.
func openAt(dir *os.File, name string, flags int) (*os.File, error) {
	return opened(unix.Openat(int(dir.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0))
}

func opened(fd int, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "copied"), nil
}

// again opens what f names for reading. f is known to be a plain file or a
// directory, and it is that very one.
func again(f *os.File, flags int) (*os.File, error) {
	return opened(unix.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), flags|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0))
}

func stat(f *os.File) (st unix.Stat_t, err error) { return st, unix.Fstat(int(f.Fd()), &st) }

// readlink reads the link that f names itself.
func readlink(f *os.File) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(f.Fd()), "", buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

func isDir(st unix.Stat_t) bool  { return st.Mode&unix.S_IFMT == unix.S_IFDIR }
func isLink(st unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFLNK }

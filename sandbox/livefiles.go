package sandbox

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// mostAccounts bounds /etc/passwd and /etc/group of a container.
const mostAccounts = 1 << 20

// open opens a file of the container as its processes see it: links, also
// absolute ones, and ".." end at the container's root, whatever is changed
// while they are followed (openat2(2), RESOLVE_IN_ROOT).
func (l *Live) open(name string, flags uint64, resolve uint64) (*os.File, error) {
	root, err := l.inside.File("root", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, l.explain(err)
	}
	defer root.Close()
	return openBelow(root, name, flags, resolve)
}

func openBelow(root *os.File, name string, flags, resolve uint64) (*os.File, error) {
	how := unix.OpenHow{
		Flags:   flags | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | resolve,
	}
	for {
		fd, err := unix.Openat2(int(root.Fd()), name, &how)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue // EAGAIN: something was renamed on the way
		case err != nil:
			return nil, &os.PathError{Op: "open", Path: "/" + name, Err: err}
		}
		return os.NewFile(uintptr(fd), "/"+name), nil
	}
}

// accounts reads a file of accounts; one that is not there is empty. Only a
// plain file is read, and O_NONBLOCK keeps a fifo from being waited for.
func (l *Live) accounts(name string) ([]byte, error) {
	f, err := l.open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = problem.New("name a user by number, as in --user 1000", "the container's /%s is not a plain file", name)
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, mostAccounts))
}

package ledger

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// Bytes of the lock file, each a lock of its own. Whether the supervisor's is
// held can be asked without taking it (fcntl(2), F_OFD_GETLK), so that those
// who look are never in the way of one who starts.
const (
	supervisorByte = 0
	editByte       = 1
)

// errNoLock says that something else is where the lock file should be.
var errNoLock = errors.New("its lock is not a file")

// takeLock takes one byte of the lock file for as long as the file that it
// returns is open; ErrRunning when somebody has it.
func takeLock(dir int, at int64) (*os.File, error) {
	fd, err := unix.Openat(dir, lockFile, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENXIO) {
		return nil, errNoLock
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: lockFile, Err: err}
	}
	f := os.NewFile(uintptr(fd), lockFile)
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errNoLock
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: at, Len: 1}
	err = unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &lock)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EACCES):
		f.Close()
		return nil, ErrRunning
	case err != nil:
		f.Close()
		return nil, os.NewSyscallError("fcntl", err)
	}
	return f, nil
}

// waitLock waits for a lock that others hold for a moment.
func waitLock(dir int, at int64, longest time.Duration) (*os.File, error) {
	for deadline := time.Now().Add(longest); ; time.Sleep(2 * time.Millisecond) {
		f, err := takeLock(dir, at)
		if !errors.Is(err, ErrRunning) {
			return f, err
		}
		if time.Now().After(deadline) {
			return nil, problem.New("try again", "another process changes the container and does not end")
		}
	}
}

// held says whether a container has a supervisor.
func held(dir int) bool {
	fd, err := unix.Openat(dir, lockFile, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: supervisorByte, Len: 1}
	err = unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &lock)
	return err == nil && lock.Type != unix.F_UNLCK
}

// making is held, shared, by one who makes a container's directory until it is
// locked, and alone by one who judges a directory that nobody has locked: what
// cannot be just begun then was left by somebody who is gone, whatever the clock
// says.
func (l *Ledger) making(how int) (*os.File, error) {
	dir, err := os.Open(l.dir)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(dir.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		dir.Close()
		return nil, os.NewSyscallError("flock", err)
	}
	return dir, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

package volume

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// editPatience bounds the wait for whoever changes a volume, in verbs that a
// person waits for.
const editPatience = 10 * time.Second

// waitFlock waits for a flock(2) until ctx is done. It polls, because one that
// is blocked cannot be interrupted from Go.
func waitFlock(ctx context.Context, fd, how int) error {
	for {
		taken, err := tryFlock(fd, how)
		if taken || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// tryFlock takes a flock(2) unless others hold one that is against it.
func tryFlock(fd, how int) (taken bool, err error) {
	for {
		err := unix.Flock(fd, how|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, os.NewSyscallError("flock", err)
		}
	}
}

// takeLock says that this process uses a volume, for as long as the file that
// it returns is open. Who holds the directory decides what that means: nobody
// removes a volume without it. It is a lock that can be asked for without
// taking it (fcntl(2), F_OFD_GETLK), so that those who look are in nobody's way.
func takeLock(dir int) (*os.File, error) {
	fd, err := unix.Openat(dir, lockFile, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: lockFile, Err: err}
	}
	f := os.NewFile(uintptr(fd), lockFile)
	lock := unix.Flock_t{Type: unix.F_RDLCK}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &lock); err != nil {
		f.Close()
		return nil, os.NewSyscallError("fcntl", err)
	}
	return f, nil
}

// held says whether somebody uses a volume.
func held(dir int) bool {
	fd, err := unix.Openat(dir, lockFile, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	err = unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &lock)
	return err == nil && lock.Type != unix.F_UNLCK
}

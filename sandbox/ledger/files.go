package ledger

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// partSuffix ends the name of a file that is being written.
const partSuffix = ".part"

// replace writes a file anew: whoever reads it finds the old one or the new
// one, also after the power has failed.
func replace(dir int, name string, data []byte) error {
	part := name + partSuffix
	fd, err := unix.Openat(dir, part, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "open", Path: part, Err: err}
	}
	f := os.NewFile(uintptr(fd), part)
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.NewSyscallError("renameat", unix.Renameat(dir, part, dir, name))
	}
	if err != nil {
		_ = unix.Unlinkat(dir, part, 0)
		return fmt.Errorf("write down %s: %w", name, err)
	}
	return os.NewSyscallError("fsync", unix.Fsync(dir))
}

// readFile reads a whole file that a stranger may have put there: no link is
// followed, no device or pipe waited for, and nothing huge read.
func readFile(dir int, name string) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", name)
	case info.Size() > maxRecord:
		return nil, fmt.Errorf("%s is too large", name)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err == nil && len(data) > maxRecord {
		err = fmt.Errorf("%s is too large", name)
	}
	return data, err
}

func syncPath(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

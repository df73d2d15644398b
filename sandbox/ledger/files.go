package ledger

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// partSuffix ends the name of a file that is being written.
const partSuffix = ".part"

// replace writes a file anew: whoever reads it finds the old one or the new
// one, also after the power has failed. For a state there is room on a full
// disk, too.
func replace(dir int, name string, data []byte) error {
	err := replaceAnew(dir, name, data)
	if name == stateFile && errors.Is(err, unix.ENOSPC) && replaceFull(dir, name, data) == nil {
		err = nil
	}
	if err != nil {
		return noRoom(fmt.Errorf("write down %s: %w", name, err))
	}
	return os.NewSyscallError("fsync", unix.Fsync(dir))
}

func replaceAnew(dir int, name string, data []byte) error {
	part := name + partSuffix
	fd, err := unix.Openat(dir, part, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
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
	}
	return err
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

// spareFile has room for a state: on a full disk how a container ended must be
// written down all the same.
const (
	spareFile = stateFile + ".spare"
	spareSize = 4096
)

// reserve makes the spare.
func reserve(dir int) error {
	fd, err := unix.Openat(dir, spareFile, unix.O_WRONLY|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "open", Path: spareFile, Err: err}
	}
	defer unix.Close(fd)
	err = unix.Fallocate(fd, 0, 0, spareSize)
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = nil // then a full disk is one
	}
	return os.NewSyscallError("fallocate", err)
}

// replaceFull is replace without new room: the spare is written to and changes
// places with the file, which is the spare from then on.
func replaceFull(dir int, name string, data []byte) error {
	if len(data) > spareSize {
		return unix.ENOSPC
	}
	fd, err := unix.Openat(dir, spareFile, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), spareFile)
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return unix.ENOSPC
	}
	if _, err = f.WriteAt(data, 0); err == nil {
		err = f.Truncate(int64(len(data)))
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return err
	}
	err = unix.Renameat2(dir, spareFile, dir, name, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.ENOENT) { // there was no state yet
		err = unix.Renameat(dir, spareFile, dir, name)
	}
	return err
}

// noRoom says what helps against a full disk.
func noRoom(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return problem.New("make room on the disk of the ledger; `safe-run ps -a` and `safe-run rm` work all the same", "the ledger has no room: %w", err)
	}
	return err
}

func syncPath(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

package cli

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// lockPools takes the directory of pools, so that no socket comes or goes while
// it is looked at. Closing the file lets it go.
func lockPools() (*os.File, error) {
	dir, err := os.Open(poolsDir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		dir.Close()
		return nil, os.NewSyscallError("flock", err)
	}
	return dir, nil
}

// sweepPools removes the sockets that killed pools have left, and gives their names.
func sweepPools() (removed []string, err error) {
	dir, err := lockPools()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	for _, e := range entries {
		path := filepath.Join(poolsDir, e.Name())
		if e.Type() != fs.ModeSocket || !deserted(path) {
			continue
		}
		if gone := os.Remove(path); gone != nil {
			err = errors.Join(err, gone)
			continue
		}
		removed = append(removed, e.Name())
	}
	return removed, err
}

// deserted says that nobody listens at a socket. One who listens and is slow, or
// stopped, does.
func deserted(path string) bool {
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

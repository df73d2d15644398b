package main

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// errName turns an error into the kernel's name for it where there is one, so
// that tests compare EPERM and not a sentence.
func errName(err error) string {
	if err == nil {
		return "ok"
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		if name := unix.ErrnoName(errno); name != "" {
			return name
		}
		return errno.Error()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "timeout"
	}
	return err.Error()
}

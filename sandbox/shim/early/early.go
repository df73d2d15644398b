// Package early is what a shim does before Go does: see early.c. Like
// sandbox/initproc it runs in whoever imports it, so only main packages may.
package early

// extern int safe_run_shim_begun;
import "C"

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/shim"
)

const (
	socketFile = 3
	sayFile    = 4
)

func init() {
	if C.safe_run_shim_begun == 1 {
		shim.Begun = becoming{}
	}
}

// becoming is a start that becomes the service.
type becoming struct{}

// Socket puts the socket where the library looks for it.
func (becoming) Socket(f *os.File) error {
	return os.NewSyscallError("dup3", unix.Dup3(int(f.Fd()), socketFile, unix.O_CLOEXEC))
}

// Answered lets go of containerd, which waits for the end of the streams, and of
// the process that waits for this one.
func (becoming) Answered() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for fd := range 3 {
		err = errors.Join(err, unix.Dup3(int(null.Fd()), fd, 0))
	}
	_, failed := unix.Write(sayFile, []byte{1})
	return errors.Join(err, failed, unix.Close(sayFile))
}

package pull

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// needed are the capabilities that unpacking takes: to give files to their
// owners, and to write into directories that belong to them by then.
const needed = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER

// Confine gives up, for the whole process and for good, every capability that
// unpacking does not need, and the ways to get one back. A parser that was
// taken over by an image can then neither load modules, mount, trace others
// nor make devices.
//
// It works in programs that are built without cgo only: there the Go runtime
// knows every thread.
func Confine() error {
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0)
	if errno == syscall.ENOTSUP {
		return problem.New("build it with CGO_ENABLED=0", "this program is built with cgo and cannot give up its capabilities: %w", errors.ErrUnsupported)
	}
	if errno != 0 {
		return fmt.Errorf("set no_new_privs: %w", errno)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var has [2]unix.CapUserData
	if err := unix.Capget(&header, &has[0]); err != nil {
		return fmt.Errorf("read the capabilities: %w", err)
	}
	left := has[0].Permitted & needed
	keep := [2]unix.CapUserData{{Permitted: left, Effective: left}}
	_, _, errno = syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&keep)), 0)
	if errno != 0 {
		return fmt.Errorf("drop capabilities: %w", errno)
	}
	return nil
}

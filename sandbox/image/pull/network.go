package pull

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// LeaveNetwork moves the whole process into a new network namespace in which
// there is nothing, not even a loopback interface that is up: whatever an
// image makes a parser do, it cannot speak to anybody. Sockets that are files
// (docker's, containerd's) can still be used. It takes CAP_SYS_ADMIN, and is
// called before Confine.
//
// It works in programs that are built without cgo only: there the Go runtime
// knows every thread.
func LeaveNetwork() error {
	empty, err := emptyNetwork()
	if err != nil {
		return err
	}
	defer unix.Close(empty)
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_SETNS, uintptr(empty), unix.CLONE_NEWNET, 0); errno != 0 {
		if errno == syscall.ENOTSUP {
			return fmt.Errorf("leave the network: this program is built with cgo: %w", errors.ErrUnsupported)
		}
		return fmt.Errorf("leave the network: %w", errno)
	}
	return nil
}

// emptyNetwork makes a network namespace. The thread that it is made on is in
// it, and ends with its goroutine: it is never unlocked.
func emptyNetwork() (int, error) {
	type made struct {
		fd  int
		err error
	}
	done := make(chan made)
	go func() {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- made{-1, os.NewSyscallError("unshare", err)}
			return
		}
		fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		done <- made{fd, os.NewSyscallError("open", err)}
	}()
	m := <-done
	return m.fd, m.err
}

package runc

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"unsafe"

	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// killForeign makes the first system call of another architecture end the whole
// process, in what is started from now on, when a filter is for the native one
// only. Filters are inherited: it is loaded once, into this process, which makes
// no such calls itself. Who is not root may not load it, and is left with
// libcontainer's filter, which ends the thread.
func killForeign(filter *configs.Seccomp) error {
	if filter == nil || !slices.Equal(filter.Architectures, []string{runtime.GOARCH}) || os.Geteuid() != 0 {
		return nil
	}
	if err := loadKillForeign(); err != nil {
		return problem.New("use Linux 4.14 or later with CONFIG_SECCOMP_FILTER", "calls of other architectures cannot be shut out: %w", err)
	}
	return nil
}

var loadKillForeign = sync.OnceValue(func() error {
	program := seccomp.KillForeign(runtime.GOARCH)
	if len(program) == 0 {
		return errors.New("no filter for " + runtime.GOARCH)
	}
	filter := make([]unix.SockFilter, len(program))
	for i, in := range program {
		filter[i] = unix.SockFilter{Code: in.Code, Jt: in.JT, Jf: in.JF, K: in.K}
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return fmt.Errorf("seccomp: %w", errno)
	}
	if thread != 0 {
		return fmt.Errorf("seccomp: thread %d has a filter of its own", thread)
	}
	return nil
})

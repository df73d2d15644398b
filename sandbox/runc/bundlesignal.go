package runc

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ParseSignal reads a signal as kill(1) takes it: a number, or a name with SIG
// or without.
func ParseSignal(text string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(text); err == nil {
		return syscall.Signal(n), nil
	}
	name := "SIG" + strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if sig := unix.SignalNum(name); sig != 0 {
		return sig, nil
	}
	return 0, fmt.Errorf("unknown signal %q", text)
}

// Signal sends a signal to the first process; ErrNotRunning when it has ended.
//
// Between the look at a process and the signal another may have come to its
// number. So the process is held first (pidfd_open(2)), then it is asked whether
// what is held is the one that was started, and then it is signalled by what is
// held.
func (b *Bundle) Signal(sig syscall.Signal) error {
	if sig == unix.SIGKILL && !b.hasOwnPids() {
		return b.container.Signal(sig) // every process of the cgroup
	}
	state, err := b.container.State()
	if err != nil {
		return err
	}
	if state.InitProcessPid <= 0 {
		return ErrNotRunning
	}
	held, err := unix.PidfdOpen(state.InitProcessPid, 0)
	switch {
	case errors.Is(err, unix.ENOSYS): // before Linux 5.3
		return b.container.Signal(sig)
	case errors.Is(err, unix.ESRCH), errors.Is(err, unix.EINVAL): // gone, or a thread's number now
		return ErrNotRunning
	case err != nil:
		return fmt.Errorf("unable to signal init: %w", err)
	}
	defer unix.Close(held)
	status, err := b.Status()
	if err != nil {
		return err
	}
	if status == Stopped {
		return ErrNotRunning
	}
	if status == Paused && !b.lives(state.InitProcessPid, state.InitProcessStartTime) {
		return ErrNotRunning
	}
	if err := unix.PidfdSendSignal(held, sig, nil, 0); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return ErrNotRunning
		}
		return fmt.Errorf("unable to signal init: %w", err)
	}
	if sig == unix.SIGKILL && status == Paused {
		// A frozen process does not die on cgroup version 1.
		_ = b.container.Resume()
	}
	return nil
}

// hasOwnPids says whether the kernel kills the container with its first process.
func (b *Bundle) hasOwnPids() bool {
	config := b.container.Config()
	return config.Namespaces.IsPrivate("NEWPID")
}

// lives says whether the process of this number is the one that began then: a
// paused container is "paused" whatever has become of it.
func (b *Bundle) lives(pid int, started uint64) bool {
	found, err := startOf(pid)
	return err == nil && found == started
}

// Kill ends a container whatever its state, and removes it.
func (b *Bundle) Kill() error {
	_ = b.Signal(unix.SIGKILL)
	for range 1000 {
		time.Sleep(10 * time.Millisecond)
		if err := b.Signal(0); err != nil {
			return b.Destroy()
		}
	}
	return errors.New("container init still running")
}

// JoinsHost lists the kinds of namespaces that the spec names by a path and
// that are this process's own: a container that joins one has the host's.
func JoinsHost(oci *specs.Spec) ([]specs.LinuxNamespaceType, error) {
	if oci.Linux == nil {
		return nil, nil
	}
	var out []specs.LinuxNamespaceType
	for _, ns := range oci.Linux.Namespaces {
		file, known := namespaceFiles[ns.Type]
		if ns.Path == "" || !known || slices.Contains(out, ns.Type) {
			continue
		}
		var there, here unix.Stat_t
		if err := unix.Stat(ns.Path, &there); err != nil {
			return nil, fmt.Errorf("namespace %s: %w", ns.Path, err)
		}
		if err := unix.Stat("/proc/self/ns/"+file, &here); err != nil {
			return nil, err
		}
		if there.Dev == here.Dev && there.Ino == here.Ino {
			out = append(out, ns.Type)
		}
	}
	return out, nil
}

var namespaceFiles = map[specs.LinuxNamespaceType]string{
	specs.PIDNamespace: "pid", specs.NetworkNamespace: "net", specs.MountNamespace: "mnt", specs.IPCNamespace: "ipc",
	specs.UTSNamespace: "uts", specs.UserNamespace: "user", specs.CgroupNamespace: "cgroup", specs.TimeNamespace: "time",
}

package runc

import (
	"errors"
	"os"
	"syscall"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	"golang.org/x/sys/unix"
)

// SignalFirst sends a signal to the first process, which this process started;
// SIGKILL ends the container.
//
// Signal asks libcontainer, which waits while another process is being started.
// A container can make that last for ever: whoever joins has its user before its
// program runs, and is stopped by a kill(-1, SIGSTOP) of that moment. What was
// asked to end such a container must not wait. So the first process is signalled
// by what the kernel gave when it was started, which is no other's when it has
// ended; with it die all of its pid namespace, the stopped ones too
// (pid_namespaces(7)). Where the namespace is not its own, all of the control
// group are killed.
func (b *Bundle) SignalFirst(first *BundleProcess, sig syscall.Signal) error {
	if sig == unix.SIGKILL && !b.hasOwnPids() {
		return b.killGroup()
	}
	err := first.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) || errors.Is(err, unix.ESRCH) {
		return ErrNotRunning
	}
	if err == nil && sig == unix.SIGKILL {
		b.thaw()
	}
	return err
}

// group is the container's control group, for who does not wait for libcontainer.
func (b *Bundle) group() (cgroups.Manager, error) {
	config := *b.container.Config().Cgroups
	resources := *config.Resources // which Freeze writes to
	config.Resources = &resources
	return manager.New(&config)
}

// thaw lets those that are frozen die, which they do not on cgroup version 1.
func (b *Bundle) thaw() {
	if group, err := b.group(); err == nil && group.Exists() {
		_ = group.Freeze(cgroups.Thawed)
	}
}

// KillAll kills all that is in the container's control group, also while
// libcontainer makes the container.
func (b *Bundle) KillAll() error { return b.killGroup() }

// killGroup kills all that is in the container's control group.
func (b *Bundle) killGroup() error {
	group, err := b.group()
	if err != nil {
		return err
	}
	return killAll(group)
}

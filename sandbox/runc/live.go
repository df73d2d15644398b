package runc

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"
)

// ErrGone says that a container has ended, or has not begun.
var ErrGone = errors.New("it does not run")

// Live is a running container that another process owns.
//
// Its first process is held by a pidfd. A number that is looked up below /proc
// counts only when the pidfd says afterwards that the process still was there:
// until then nobody else can have had the number.
type Live struct {
	container *libcontainer.Container
	dir       string
	pid       int
	pidfd     int
	cgroups   map[string]string // the paths of its control group, by hierarchy
}

// OpenLive finds a running container by what libcontainer wrote into dir, the
// State of its Config. The error is ErrGone when there is none.
func OpenLive(dir, id string) (*Live, error) {
	container, err := libcontainer.Load(dir, id)
	if errors.Is(err, libcontainer.ErrNotExist) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("the container's state: %w", err)
	}
	state, err := container.State()
	if err != nil {
		return nil, err
	}
	l := &Live{container: container, dir: dir, pid: state.InitProcessPid, cgroups: state.CgroupPaths}
	if l.pidfd, err = unix.PidfdOpen(l.pid, 0); err != nil {
		return nil, ErrGone
	}
	// After the descriptor was opened: it looks at the start time.
	status, err := container.Status()
	if err != nil || (status != libcontainer.Running && status != libcontainer.Paused) || !inGroup(l.pid, state.CgroupPaths) {
		l.Close()
		return nil, errors.Join(ErrGone, err)
	}
	return l, nil
}

// Close lets go of the container, which goes on.
func (l *Live) Close() { unix.Close(l.pidfd) }

// Alive says whether the first process has not ended yet.
func (l *Live) Alive() bool {
	fds := []unix.PollFd{{Fd: int32(l.pidfd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 0)
		if !errors.Is(err, unix.EINTR) {
			return err == nil && n == 0
		}
	}
}

// Pid is the first process's id on the host. What is found by it must be
// followed by Alive.
func (l *Live) Pid() int { return l.pid }

// Signal sends a signal to the first process. When it is deaf to one that would
// end any other process (see Deaf), it is killed.
func (l *Live) Signal(sig syscall.Signal) error {
	err := unix.PidfdSendSignal(l.pidfd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return ErrGone
	}
	return err
}

// Deaf says whether the first process leaves sig to its default action, which
// the kernel does not take for it.
func (l *Live) Deaf(sig syscall.Signal) bool {
	return (&Container{pid: l.pid}).Deaf(sig) && l.Alive()
}

// Paused says whether the processes are frozen.
func (l *Live) Paused() (bool, error) {
	status, err := l.container.Status()
	return status == libcontainer.Paused, err
}

// Freeze stops every process of the container; Thaw lets them go on.
func (l *Live) Freeze() error { return l.container.Pause() }

// Thaw undoes Freeze.
func (l *Live) Thaw() error { return l.container.Resume() }

// Processes gives the host's ids of all processes in the control group.
func (l *Live) Processes() ([]int, error) { return l.container.Processes() }

// File opens a file below /proc/PID of the first process.
func (l *Live) File(name string, flags int) (*os.File, error) {
	path := fmt.Sprintf("/proc/%d/%s", l.pid, name)
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	if !l.Alive() {
		unix.Close(fd)
		return nil, ErrGone
	}
	return os.NewFile(uintptr(fd), path), nil
}

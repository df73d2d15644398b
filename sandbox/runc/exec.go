package runc

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/opencontainers/runc/libcontainer"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/runc/compiled"
	"github.com/safe-run/safe-run/spec/problem"
)

// Join is a further process for a running container.
type Join struct {
	// Process says what to run, as which user and with which rlimits. Filter,
	// capabilities, no_new_privs and labels are those that the container was
	// made with, whatever it says.
	Process *specs.Process
	// Stdin, Stdout and Stderr are the process's own, unless Console is set.
	Stdin, Stdout, Stderr *os.File
	// Console is a unix socket that receives the terminal's master.
	Console *os.File
	// Met gets a pidfd of the process while that still is our own program, in
	// the container's namespaces. When it fails nothing is run.
	Met func(pidfd *os.File) error
	// Group is the name of a control group below the container's, for the
	// process and all that it starts: KillAll kills them, and Release removes
	// it. No two may have one name at a time. Empty: there is none.
	Group string
}

// Joined is a process that has joined a container.
type Joined struct {
	process  *libcontainer.Process
	pid      int
	executed bool // once it has ended
	group    *group
}

// Exec starts a process in the container. It returns an *ExecError when the
// program cannot be run.
func (l *Live) Exec(j Join) (*Joined, error) {
	process, err := newProcess(Config{
		OCI: &specs.Spec{Process: j.Process}, Console: j.Console, Stdin: j.Stdin, Stdout: j.Stdout, Stderr: j.Stderr,
	})
	if err != nil {
		return nil, err
	}
	joined := &Joined{process: process}
	if j.Group != "" {
		if joined.group, err = newGroup(l.cgroups, j.Group); err != nil {
			return nil, err
		}
		process.SubCgroupPaths = joined.group.sub
	}
	err = l.start(joined, j)
	if err != nil && joined.group != nil {
		// What had begun ends, so that nothing of it is in the group.
		err = errors.Join(err, joined.KillAll(), joined.Release())
	}
	if err != nil {
		return nil, err
	}
	return joined, nil
}

// start starts the process.
func (l *Live) start(joined *Joined, j Join) error {
	process := joined.process
	config := l.container.Config()
	if err := restore(config.Seccomp, l.dir); err != nil {
		return err
	}
	if err := killForeign(config.Seccomp); err != nil {
		return err
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	process.Init, process.PidfdSocket = false, os.NewFile(uintptr(fds[1]), "join")
	met := make(chan error, 1)
	filter := remembering(&config, FiltersDir)
	defer filter.close()
	go func() { met <- l.meet(fds[0], j.Met, filter) }()
	err = l.container.Start(process)
	process.PidfdSocket.Close()
	// Of two reasons the one that came first.
	if refused := <-met; refused != nil && !errors.Is(refused, errNobody) {
		return refused
	}
	if err != nil {
		if !l.Alive() {
			return ErrGone
		}
		return joinError(err, j.Process)
	}
	joined.pid, err = process.Pid()
	return err
}

// errNobody says that the process never came so far.
var errNobody = errors.New("the process did not start")

// meet takes the pidfd of a process that has just joined and lets it go on, with
// the container's filter in compiled form.
//
// The process joined what /proc/PID/ns named. If the first process has the
// number still, it had it then, and the namespaces are the container's. If not,
// they may be anybody's, and nothing is run in them.
func (l *Live) meet(socket int, met func(*os.File) error, filter *memory) error {
	defer unix.Close(socket)
	oob := make([]byte, unix.CmsgSpace(4))
	var oobn int
	for {
		var err error
		_, oobn, _, _, err = unix.Recvmsg(socket, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return os.NewSyscallError("recvmsg", err)
		}
		break
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		return errNobody
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return errNobody
	}
	pidfd := os.NewFile(uintptr(fds[0]), "joined")
	defer pidfd.Close()
	if !l.Alive() {
		return ErrGone
	}
	if met != nil {
		if err := met(pidfd); err != nil {
			return err
		}
	}
	file, err := filter.ready()
	if err != nil {
		return err
	}
	var rights []byte
	answer := []byte{compiled.Alone}
	if file != nil {
		rights = unix.UnixRights(int(file.Fd()))
		answer[0] = compiled.Accompanied
	}
	return os.NewSyscallError("sendmsg", unix.Sendmsg(socket, answer, rights, nil, 0))
}

// joinError explains why a process could not be started.
func joinError(err error, p *specs.Process) error {
	text := err.Error()
	if strings.Contains(text, "chdir to cwd") || strings.Contains(text, "mkdir "+p.Cwd) {
		return problem.New("name a directory of the container with -w", "cannot start in %q: it is not there, or user %d may not enter it", p.Cwd, p.User.UID)
	}
	err = execError(err, p.Args)
	var failed *ExecError
	if errors.As(err, &failed) {
		return err
	}
	return problem.New("see whether it runs still: safe-run ps", "cannot join the container: %s", strings.TrimPrefix(text, "unable to start container process: "))
}

// Pid is the process's id on the host. It is the caller's child.
func (j *Joined) Pid() int { return j.pid }

// Wait waits for the process to end.
func (j *Joined) Wait() (syscall.WaitStatus, error) {
	j.executed = awaitEnd(j.pid)
	state, err := j.process.Wait()
	if state == nil {
		return 0, err
	}
	return state.Sys().(syscall.WaitStatus), nil
}

// Executed says, after Wait, whether the program was run at all.
func (j *Joined) Executed() bool { return j.executed }

// KillAll kills the process and all that it started, wherever that is. It is
// for a process with a group.
func (j *Joined) KillAll() error {
	if j.group == nil {
		return nil
	}
	return j.group.kill(killPatience)
}

// Release removes the group, once the process has ended and KillAll is done.
func (j *Joined) Release() error {
	if j.group == nil {
		return nil
	}
	return j.group.remove()
}

// Signal sends a signal to the process; os.ErrProcessDone when it has ended.
func (j *Joined) Signal(sig syscall.Signal) error {
	err := j.process.Signal(sig)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %d: %w", j.pid, err)
	}
	return err
}

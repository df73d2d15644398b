package sandbox

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// The argv[0] of what looks after a joined process; initproc has the same, but
// only mains may import that package.
const (
	ExecWardenName = "safe-run-exec-warden"
	DrainName      = "safe-run-drain"
)

// ExecCmd is a further process of a running sandbox, in the shape of Cmd: fill
// in the exported fields, then Start, Wait and Close.
type ExecCmd struct {
	Live *Live
	// Request is what to run. The accounts in it are filled in by Start.
	Request spec.ExecRequest
	// Size is the terminal's; nil where it is not known.
	Size *specs.Box
	// Detached: nobody waits for it, and it may outlive this process.
	Detached bool
	// Alone is the name of a control group of the process and all that it
	// starts, no two of which run under one name at a time. With its end they
	// end, so that nothing piles up; Kill ends them sooner. It needs no warden:
	// it is for whoever owns the container, with whom it all ends. Empty: what
	// the process starts may outlive it.
	Alone string

	// Stdin, Stdout and Stderr are as in Cmd.
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	id       string // in events
	process  *specs.Process
	joined   *runc.Joined
	io       *stdio
	terminal *os.File
	warden   chan error // says once whether it was started
	alive    *os.File   // the other end is the warden's standard input
}

// Start runs the process. When it fails nothing is left but what Close closes.
func (c *ExecCmd) Start() error {
	if paused, err := c.Live.Paused(); err != nil || paused {
		return errors.Join(err, pausedError(c.Live.Name(), paused))
	}
	if err := c.compile(); err != nil {
		return err
	}
	join := runc.Join{Process: c.process, Met: c.met, Group: c.Alone}
	if !c.Detached && c.Alone == "" {
		if err := c.startWarden(); err != nil {
			return err
		}
	}
	console, err := c.connect(&join)
	if err != nil {
		return err
	}
	c.joined, err = c.Live.inside.Exec(join)
	if join.Console != nil {
		join.Console.Close()
		defer console.Close()
	}
	if err != nil {
		if c.io != nil {
			c.io.close()
		}
		return c.Live.explain(err)
	}
	c.tellStart()
	if console != nil {
		c.terminal, err = ReceiveFile(console)
		return err
	}
	c.io.started()
	return nil
}

func pausedError(name string, paused bool) error {
	if !paused {
		return nil
	}
	return problem.New("safe-run unpause "+name, "container %s is paused", name)
}

// compile makes the process from the plan, the request, and the accounts that
// the container has.
func (c *ExecCmd) compile() (err error) {
	if c.Request.User != "" {
		if c.Request.Passwd, err = c.Live.accounts("etc/passwd"); err != nil {
			return err
		}
		if c.Request.Group, err = c.Live.accounts("etc/group"); err != nil {
			return err
		}
	}
	if c.process, err = spec.CompileExec(c.Live.Plan, c.Request); err != nil {
		return err
	}
	c.process.ConsoleSize = c.Size
	return nil
}

// connect gives the process its streams, or a socket for its terminal.
func (c *ExecCmd) connect(join *runc.Join) (console *os.File, err error) {
	if c.Request.Terminal {
		console, join.Console, err = consolePair()
		return console, err
	}
	user := c.process.User
	uid, gid := hostID(c.Live.Plan.OCI.Linux.UIDMappings, user.UID), hostID(c.Live.Plan.OCI.Linux.GIDMappings, user.GID)
	streams := &Cmd{Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr}
	if c.io, err = newStdio(streams, uid, gid); err != nil {
		return nil, err
	}
	join.Stdin, join.Stdout, join.Stderr = c.io.child[0], c.io.child[1], c.io.child[2]
	return nil, nil
}

// hostID is an id of the container as the host numbers it.
func hostID(mappings []specs.LinuxIDMapping, id uint32) int {
	for _, m := range mappings {
		if id >= m.ContainerID && id-m.ContainerID < m.Size {
			return int(m.HostID + id - m.ContainerID)
		}
	}
	return int(id)
}

// startWarden starts the process that kills the joined one when this process is
// killed. It takes a millisecond, beside everything else.
func (c *ExecCmd) startWarden() error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "warden")
	c.alive, c.warden = os.NewFile(uintptr(fds[0]), "alive"), make(chan error, 1)
	go func() {
		defer theirs.Close()
		warden := &exec.Cmd{
			Path: "/proc/self/exe", Args: []string{ExecWardenName}, Env: []string{}, Dir: "/", Stdin: theirs,
			SysProcAttr: &syscall.SysProcAttr{Setsid: true},
		}
		err := warden.Start()
		if err == nil {
			err = warden.Process.Release()
		}
		c.warden <- err
	}()
	return nil
}

// met gives the process to the warden before it runs anything of the container.
func (c *ExecCmd) met(pidfd *os.File) error {
	if c.alive == nil {
		return nil
	}
	if err := <-c.warden; err != nil {
		return problem.New("see whether the host is out of memory or processes", "start the warden: %w", err)
	}
	return SendFile(c.alive, pidfd)
}

// Wait waits for the process to end and says how it ended; see Cmd.Wait.
func (c *ExecCmd) Wait() (Exit, error) {
	status, err := c.joined.Wait()
	// Before the streams are read to their end: what it started has them too.
	if killed := c.joined.KillAll(); killed != nil {
		err = errors.Join(err, killed)
	}
	if err != nil && !status.Exited() && !status.Signaled() {
		return Exit{}, err
	}
	c.tellEnd(newExit(status, runc.Usage{}, c.Live.Plan.Limits))
	var failed *runc.ExecError
	if !c.joined.Executed() && status.ExitStatus() == execCode {
		failed = &runc.ExecError{Program: c.process.Args[0], Reason: "the kernel refused it"}
	}
	if c.io != nil {
		if c.Alone != "" {
			// All of it has ended. Whoever else has opened its pipes, as other
			// processes of its user can, says nothing in its name.
			c.io.endOutput(time.Now().Add(alonePatience))
		}
		failed = c.io.drain(failed)
	}
	if failed != nil {
		return Exit{}, failed
	}
	exit := newExit(status, runc.Usage{}, c.Live.Plan.Limits)
	if c.io != nil {
		exit.OutputLost = c.io.lostOutput()
	}
	return exit, nil
}

// alonePatience bounds the time in which the output of what has ended is read.
const alonePatience = time.Second

// Terminal is the master of the process's terminal, when it has one.
func (c *ExecCmd) Terminal() *os.File { return c.terminal }

// Signal sends a signal to the process; os.ErrProcessDone when it has ended.
func (c *ExecCmd) Signal(sig syscall.Signal) error { return c.joined.Signal(sig) }

// Kill kills the process with all that it started; see Alone. It may be called
// while Start runs, which then fails.
func (c *ExecCmd) Kill() error {
	if c.Alone == "" {
		return nil
	}
	return c.Live.inside.KillGroup(c.Alone)
}

// Freeze stops the process, and nothing else of the container.
func (c *ExecCmd) Freeze() error { return c.Signal(unix.SIGSTOP) }

// Thaw undoes Freeze.
func (c *ExecCmd) Thaw() error { return c.Signal(unix.SIGCONT) }

// Leave lets a process with a terminal go on without this one: another process
// reads the terminal from here on, so that nobody blocks on it, until all who
// write to it have ended.
func (c *ExecCmd) Leave() error {
	drain := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{DrainName}, Env: []string{}, Dir: "/", Stdin: c.terminal,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := drain.Start(); err != nil {
		return problem.New("see whether the host is out of memory or processes", "leave the process: %w", err)
	}
	return drain.Process.Release()
}

// Close dismisses the warden. It must be called whatever Start said, and not
// before the process has ended or been left.
func (c *ExecCmd) Close() error {
	if c.terminal != nil {
		c.terminal.Close()
	}
	if c.joined != nil {
		if err := c.joined.Release(); err != nil {
			return err
		}
	}
	if c.alive == nil {
		return nil
	}
	// It ends at once, and nobody need wait for it.
	_, err := c.alive.Write([]byte{1})
	if errors.Is(err, unix.EPIPE) {
		err = nil // it was never started, which Start has said
	}
	return errors.Join(err, c.alive.Close())
}

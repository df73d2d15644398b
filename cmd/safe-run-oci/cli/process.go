package cli

import (
	"errors"
	"fmt"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/sandbox/runc"
)

// streamOptions are the flags that create, run and exec share.
type streamOptions struct {
	consoleSocket, pidfdSocket, pidFile string
	preserveFDs                         int
	detach                              bool
	wait                                bool // leave it waiting before its program
}

func (o *streamOptions) declare(f *flags) {
	f.text(&o.consoleSocket, "console-socket", "", "path to an AF_UNIX socket which will receive the master end of the console's pseudoterminal")
	f.text(&o.pidfdSocket, "pidfd-socket", "", "path to an AF_UNIX socket which will receive a file descriptor referencing the process")
	f.text(&o.pidFile, "pid-file", "", "specify the file to write the process id to")
	f.number(&o.preserveFDs, "preserve-fds", "Pass N additional file descriptors to the container (stdio + $LISTEN_FDS + N in total)")
}

// check finds flags that do not fit together.
func (o *streamOptions) check(name string, terminal bool) error {
	switch {
	case o.detach && terminal && o.consoleSocket == "":
		return fmt.Errorf("cannot allocate tty if %s will detach without setting console socket", name)
	case (!o.detach || !terminal) && o.consoleSocket != "":
		return fmt.Errorf("cannot use console socket if %s will not detach or allocate tty", name)
	case o.preserveFDs < 0:
		return errors.New("preserve-fds must not be negative")
	}
	return nil
}

// run is one process of a container from its start to its end, or until it is
// left to itself.
type run struct {
	app       *app
	container *runc.Bundle
	options   streamOptions
	with      runc.ProcessOptions
	notify    *runc.Notify

	tty     *terminal
	console *os.File   // where the process's terminal comes from
	opened  []*os.File // closed at the end
	started *runc.BundleProcess
}

// do starts the process and, unless it is detached, stays until it ends.
func (r *run) do(p *specs.Process) (int, error) {
	if err := r.options.check(r.app.name, p.Terminal); err != nil {
		return 0, err
	}
	signals := catch()
	defer r.close()
	err := r.connect(p.Terminal)
	if err != nil {
		return 0, err
	}
	attached := r.attach()
	if r.started, err = r.container.Launch(p, r.with); err != nil {
		return 0, err
	}
	if err := r.settle(attached); err != nil {
		r.started.Kill()
		return 0, err
	}
	if r.options.detach {
		if r.notify != nil && !r.options.wait {
			_ = r.notify.Forward(r.started.Pid(), r.lives)
		}
		return 0, nil
	}
	drained := copyPipes(r.app.std, r.started)
	if r.notify != nil {
		go func() { _ = r.notify.Forward(os.Getpid(), r.lives) }()
	}
	code := r.started.Supervise(signals, r.tty.resize)
	drained()
	r.tty.drain()
	return code, nil
}

// connect opens what the process is given.
func (r *run) connect(hasTerminal bool) (err error) {
	r.with.PreserveFDs = r.options.preserveFDs
	if path := r.options.pidfdSocket; path != "" {
		if r.with.Pidfd, err = r.open(path); err != nil {
			return err
		}
	}
	switch {
	case hasTerminal && r.options.detach:
		r.with.Console, err = r.open(r.options.consoleSocket)
	case hasTerminal:
		r.tty = &terminal{}
		if r.tty.host, err = hostTerminal(r.app.std); err != nil {
			return err
		}
		r.console, r.with.Console, err = runc.ConsolePair()
		r.opened = append(r.opened, r.console, r.with.Console)
	case r.options.detach:
		r.with.Stdin, r.with.Stdout, r.with.Stderr = r.app.std.In, r.app.std.Out, r.app.std.Err
	}
	return err
}

func (r *run) open(path string) (*os.File, error) {
	f, err := runc.Connect(path)
	if err != nil {
		return nil, fmt.Errorf("failed to dial %s: %w", path, err)
	}
	r.opened = append(r.opened, f)
	return f, nil
}

// attach takes the process's terminal as soon as there is one, so that it is set
// up before the program writes to it.
func (r *run) attach() <-chan error {
	attached := make(chan error, 1)
	if r.tty == nil {
		attached <- nil
		return attached
	}
	go func() { attached <- r.tty.attach(r.console, r.app.std) }()
	return attached
}

// settle does what is left once the process is there, and lets the first one of
// a container go on.
func (r *run) settle(attached <-chan error) error {
	if err := <-attached; err != nil {
		return err
	}
	if r.options.pidFile != "" {
		if err := r.started.WritePid(r.options.pidFile); err != nil {
			return err
		}
	}
	if !r.with.Init || r.options.wait {
		return nil
	}
	return r.container.Start()
}

// lives says whether the container has not ended.
func (r *run) lives() bool {
	status, err := r.container.Status()
	return err == nil && status != runc.Stopped
}

func (r *run) close() {
	r.tty.close()
	for _, f := range r.opened {
		if f != nil {
			f.Close()
		}
	}
}

// lastOutput bounds the wait for a terminal that a process left behind keeps open.
const lastOutput = 500 * time.Millisecond

package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/console"

	"github.com/safe-run/safe-run/sandbox/runc"
)

// terminal connects the caller's terminal to that of a process.
type terminal struct {
	host   console.Console
	remote console.Console
	output chan struct{} // closed when there is no more
}

// hostTerminal finds the caller's terminal, whichever stream it is on, or the
// one that controls it.
func hostTerminal(std IO) (console.Console, error) {
	for _, f := range []*os.File{std.Err, std.Out, std.In} {
		c, err := console.ConsoleFromFile(f)
		if err == nil || !errors.Is(err, console.ErrNotAConsole) {
			return c, err
		}
	}
	f, err := os.Open("/dev/tty")
	if err != nil {
		return nil, err
	}
	return console.ConsoleFromFile(f)
}

// attach takes the process's terminal from the socket and copies both ways.
func (t *terminal) attach(socket *os.File, std IO) error {
	master, err := runc.ReceiveConsole(socket)
	if err != nil {
		return err
	}
	if t.remote, err = console.ConsoleFromFile(master); err != nil {
		return err
	}
	if err := console.ClearONLCR(t.remote.Fd()); err != nil {
		return err
	}
	go func() { _, _ = io.Copy(master, std.In) }()
	t.output = make(chan struct{})
	go func() {
		defer close(t.output)
		// Ends with EIO when the last process has closed the other side.
		_, _ = io.Copy(std.Out, master)
	}()
	if err := t.host.SetRaw(); err != nil {
		return fmt.Errorf("failed to set the terminal from the stdin: %w", err)
	}
	t.resize()
	return nil
}

func (t *terminal) resize() {
	if t != nil && t.remote != nil {
		_ = t.remote.ResizeFrom(t.host)
	}
}

// drain waits for the last of the output.
func (t *terminal) drain() {
	if t == nil {
		return
	}
	select {
	case <-t.output:
	case <-time.After(lastOutput):
	}
}

// close gives the caller's terminal back as it was.
func (t *terminal) close() {
	if t != nil && t.host != nil {
		_ = t.host.Reset()
	}
}

// copyPipes copies between the caller's streams and the process's pipes; wait
// returns when the process and all that have its pipes have closed them.
func copyPipes(std IO, p *runc.BundleProcess) (wait func()) {
	if p.Stdin == nil {
		return func() {}
	}
	var output sync.WaitGroup
	go func() {
		_, _ = io.Copy(p.Stdin, std.In)
		p.Stdin.Close()
	}()
	output.Go(func() { _, _ = io.Copy(std.Out, p.Stdout) })
	output.Go(func() { _, _ = io.Copy(std.Err, p.Stderr) })
	return output.Wait
}

// catch begins to receive every signal. SIGCHLD must be caught before a process
// is started whose end it tells of.
func catch() <-chan os.Signal {
	signals := make(chan os.Signal, 2048)
	signal.Notify(signals, syscall.SIGCHLD)
	signal.Notify(signals)
	return signals
}

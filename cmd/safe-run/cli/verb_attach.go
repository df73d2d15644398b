package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/containerd/console"
	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// attachVerb is `safe-run attach NAME`.
func (a *app) attachVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "attach [flags] NAME|ID", Short: "connect this terminal to a detached container", GroupID: groupManage,
		Long: "connect standard input, output and error to a detached container that runs, until it ends. " +
			"The exit code is the container's. The detach keys leave it running.",
		Example:               "  safe-run attach shell",
		Args:                  arguments(1, 1, "NAME"),
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     completeContainers,
	}
	f := cmd.Flags()
	noInput := f.Bool("no-stdin", false, "do not pass standard input on")
	proxy := f.Bool("sig-proxy", true, "pass signals on to the container")
	keys := f.String("detach-keys", defaultDetachKeys, "`KEYS` that leave the container running")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		sequence, err := parseDetachKeys(*keys)
		if err != nil {
			return problem.New(problem.HintOf(err), "--detach-keys: %w", err)
		}
		return asRoot(attach(a.std, args[0], attachment{keys: sequence, input: !*noInput, proxy: *proxy}))
	}
	return cmd
}

// attachment is a connection to a container that runs.
type attachment struct {
	keys         []byte
	input, proxy bool
	once         bool // the end of the input is the container's, too

	std   IO
	conn  *net.UnixConn
	local console.Console // raw, when there is a terminal on both sides
}

// attach relays until the container ends or the user detaches.
func attach(std IO, ref string, at attachment) error {
	t, err := locate(ref)
	switch {
	case err != nil:
		return err
	case t.foreground:
		return problem.New("start it with -d to attach to it from elsewhere", "%s runs in the foreground of another terminal", t.Name)
	case t.state.Status == ledger.Paused:
		return problem.New("let it go on: safe-run unpause "+t.Name, "%s is paused", t.Name)
	case !t.state.Status.Active():
		return notRunning(t)
	}
	if at.conn, err = ask(t.book, t.ID, request{Verb: "attach"}); err != nil {
		return err
	}
	defer at.conn.Close()
	at.std, at.input = std, at.input && t.OpenStdin
	if err := at.raw(t.Terminal); err != nil {
		return err
	}
	defer at.restore()
	return at.relay(t)
}

// raw makes the user's terminal the container's.
func (at *attachment) raw(terminal bool) error {
	local, err := console.ConsoleFromFile(at.std.In)
	if err != nil || !terminal || !at.input {
		return nil
	}
	if err := local.SetRaw(); err != nil {
		return err
	}
	at.local = local
	at.tellSize()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	go func() {
		for range resized {
			at.tellSize()
		}
	}()
	return nil
}

func (at *attachment) tellSize() {
	if size, err := at.local.Size(); err == nil {
		_, _ = at.conn.Write(frameOf(frameSize, termSize{size.Height, size.Width}))
	}
}

func (at *attachment) restore() {
	if at.local != nil {
		_ = at.local.Reset()
	}
}

// relay passes everything on in both directions.
func (at *attachment) relay(t target) error {
	detached := make(chan struct{}, 1)
	if at.input {
		typed := &keyWatch{out: stdinFrames{at.conn}}
		if at.local != nil {
			typed.keys, typed.found = at.keys, func() { detached <- struct{}{} }
		}
		go func() {
			_, err := io.Copy(typed, at.std.In)
			if at.once && err == nil {
				_ = writeFrame(at.conn, frameStdin, nil)
			}
		}()
	}
	if at.proxy {
		at.passSignals()
	}
	ended := make(chan error, 1)
	go func() { ended <- at.output(t) }()
	select {
	case <-detached:
		at.restore()
		t.tell(event.Detach)
		fmt.Fprintf(at.std.Err, "\ndetached: the container goes on; `safe-run attach %s` returns to it\n", t.Name)
		return nil
	case err := <-ended:
		return err
	}
}

// passSignals gives the container the signals that end a program.
func (at *attachment) passSignals() {
	caught := make(chan os.Signal, 8)
	signal.Notify(caught, endingSignals...)
	go func() {
		for sig := range caught {
			at.signal(sig)
		}
	}()
}

// signal gives the container a signal.
func (at *attachment) signal(sig os.Signal) {
	_, _ = at.conn.Write(frameOf(frameSignal, int(sig.(syscall.Signal))))
}

// handedOver makes a connection of which a supervisor gets the other end.
func handedOver() (*net.UnixConn, *os.File, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	mine, theirs := os.NewFile(uintptr(fds[0]), "attached"), os.NewFile(uintptr(fds[1]), "supervisor")
	defer mine.Close()
	conn, err := connOf(mine)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}

// connOf is a connection from its descriptor.
func connOf(f *os.File) (*net.UnixConn, error) {
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, errors.New("it is no unix socket")
	}
	return conn, nil
}

// output writes what the container writes, until it has ended.
func (at *attachment) output(t target) error {
	for {
		kind, data, err := answerOf(at.conn)
		if err != nil {
			return at.lost(t, err)
		}
		switch kind {
		case frameStdout:
			_, err = at.std.Out.Write(data)
		case frameStderr:
			_, err = at.std.Err.Write(data)
		case frameEnd:
			var end ledger.State
			if err := json.Unmarshal(data, &end); err != nil {
				return err
			}
			return at.end(end)
		}
		if err != nil {
			return err
		}
	}
}

// end turns how the container ended into this program's end.
func (at *attachment) end(end ledger.State) error {
	at.restore()
	if end.Cause != "" {
		report(at.std.Err, paletteFor(at.std.Err), problem.New(end.Hint, "%s", end.Cause))
	}
	if end.ExitCode == 0 {
		return nil
	}
	return &exitError{Code: end.ExitCode}
}

// lost is the end of a connection that said nothing: the supervisor was
// killed, or this side read too slowly.
func (at *attachment) lost(t target, err error) error {
	_, s, gone := t.book.Get(t.ID)
	if gone == nil && !s.Status.Active() {
		return at.end(s)
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	return problem.New("attach again; safe-run logs has what is missing", "the connection to %s has ended", t.Name)
}

// stdinFrames sends what is written to it as frames.
type stdinFrames struct{ conn io.Writer }

// Write implements io.Writer.
func (s stdinFrames) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), maxFrame)
		if err := writeFrame(s.conn, frameStdin, rest[:n]); err != nil {
			return len(p) - len(rest), err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync/atomic"
	"syscall"

	"golang.org/x/term"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// A container with a terminal that one can detach from is owned by a second
// process, because whoever started the first one waits for it to end:
//
//	front: the user's terminal, raw; ends when the user detaches
//	owner: the container's parent; ends when the container does
//
// They share a socket. The owner sends the terminal's master, and at the end
// how the container ended. The front sends one byte to detach. When the front
// goes away without it, the owner kills the container: a foreground container
// does not outlive its launcher.

// OwnerName is the argv[0] of an owner; its descriptor 3 is the socket.
const OwnerName = "safe-run-owner"

// ownerSocket is the descriptor of the socket in the owner.
const ownerSocket = 3

// ending is what the owner says at the end.
type ending struct {
	Code int    `json:"code"`
	Line string `json:"line,omitempty"`
	Hint string `json:"hint,omitempty"`
	// Denied and Minor are what was refused and is worth telling.
	Denied []event.Denial `json:"denied,omitempty"`
	Minor  []string       `json:"minor,omitempty"`
}

// readEnding waits for what the owner says at the end. One that is killed says
// nothing.
func readEnding(socket io.Reader) ending {
	var end ending
	if err := json.NewDecoder(socket).Decode(&end); err != nil {
		return ending{Code: exitLauncher, Line: "the process that owns the container has died", Hint: "run `safe-run gc`"}
	}
	return end
}

// wantsFront says whether this process is to be the front of another.
func wantsFront(std IO, o runOptions) bool {
	return std.Front == nil && o.TTY && o.Stdin && len(o.DetachKeys) > 0 && term.IsTerminal(int(std.In.Fd()))
}

// front starts the owner and lends it the user's terminal.
func front(std IO, o runOptions) error {
	socket, owner, err := startOwner(std)
	if err != nil {
		return launcherError(err)
	}
	defer socket.Close()
	relay := make(chan os.Signal, 16)
	signal.Notify(relay, endingSignals...)
	defer signal.Stop(relay)
	go func() {
		for sig := range relay {
			_ = owner.Process.Signal(sig)
		}
	}()
	master, err := sandbox.ReceiveFile(socket)
	if err != nil {
		// The owner has said why on standard error.
		_ = owner.Wait()
		return &exitError{Code: max(owner.ProcessState.ExitCode(), 1)}
	}
	defer master.Close()
	return lend(std, o, socket, master)
}

// lend relays the terminal until the container ends or the user detaches.
func lend(std IO, o runOptions, socket, master *os.File) error {
	detached := make(chan struct{}, 1)
	s, err := attachTerminal(std, master, o, func() { detached <- struct{}{} })
	if err != nil {
		return launcherError(err)
	}
	ended := make(chan ending, 1)
	go func() { ended <- readEnding(socket) }()
	select {
	case <-detached:
		s.restore()
		_, err := socket.Write([]byte{1})
		fmt.Fprintf(std.Err, "\ndetached: the container goes on; `safe-run ps` lists it, `safe-run stop` ends it\n")
		return err
	case end := <-ended:
		s.finish()
		if end.Line != "" && !o.Quiet {
			report(std.Err, paletteFor(std.Err), problem.New(end.Hint, "%s", end.Line))
		}
		if !o.Quiet {
			tellDenials(std.Err, end.Denied, end.Minor)
		}
		if end.Code == 0 {
			return nil
		}
		return &exitError{Code: end.Code}
	}
}

// startOwner runs this very command line again as the owner, in a session of
// its own.
func startOwner(std IO) (*os.File, *exec.Cmd, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	mine, theirs := os.NewFile(uintptr(fds[0]), "owner"), os.NewFile(uintptr(fds[1]), "front")
	defer theirs.Close()
	cmd := &exec.Cmd{
		Path:        "/proc/self/exe",
		Args:        append([]string{OwnerName}, os.Args[1:]...),
		Stderr:      std.Err,
		Env:         std.served.environ(),
		ExtraFiles:  []*os.File{theirs},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		mine.Close()
		return nil, nil, err
	}
	return mine, cmd, nil
}

// FrontSocket is the owner's end of the socket; nil in every other process.
func FrontSocket() *os.File {
	if os.Args[0] != OwnerName {
		return nil
	}
	syscall.CloseOnExec(ownerSocket)
	return os.NewFile(ownerSocket, "front")
}

// ownership is the owner's side.
type ownership struct {
	front    *os.File
	detached atomic.Bool
	explain  bool // all denials are told at the end
}

// handOver gives the terminal to the front and watches for its end.
func handOver(socket *os.File, cmd *sandbox.Cmd) (*ownership, error) {
	if err := sandbox.SendFile(socket, cmd.Terminal()); err != nil {
		return nil, err
	}
	own := &ownership{front: socket, explain: cmd.OnDenial != nil}
	go func() {
		if n, _ := socket.Read(make([]byte, 1)); n == 0 {
			_ = cmd.Signal(sigKill)
			return
		}
		own.detached.Store(true)
		letGo()
		// Nobody reads the terminal any more; the container must not block on it.
		_, _ = io.Copy(io.Discard, cmd.Terminal())
	}()
	return own, nil
}

// letGo makes standard error the null device, so that the owner of a detached
// container does not keep the user's terminal, window or connection open.
func letGo() {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer null.Close()
	_ = syscall.Dup3(int(null.Fd()), int(os.Stderr.Fd()), 0)
}

// tell says how the container ended to the front, if there still is one.
func (own *ownership) tell(exit sandbox.Exit, err error) error {
	if own.detached.Load() {
		return nil
	}
	end := ending{Code: exit.Code}
	if err != nil {
		failed := launcherError(err)
		end = ending{Code: exitCode(failed, exitLauncher), Line: failed.Error(), Hint: problem.HintOf(failed)}
	} else {
		end.Line, end.Hint = exit.Explain()
		end.Denied, end.Minor = worthTelling(exit)
		if own.explain {
			end.Denied, end.Minor = exit.Denials, nil
		}
	}
	return json.NewEncoder(own.front).Encode(end)
}

// runOwner is the rest of run in an owner.
func runOwner(std IO, cmd *sandbox.Cmd, signals *signals) error {
	own, err := handOver(std.Front, cmd)
	if err != nil {
		return errors.Join(launcherError(err), kill(cmd))
	}
	signals.forward(cmd)
	exit, err := cmd.Wait()
	return own.tell(exit, explainExec(cmd.Plan, err))
}

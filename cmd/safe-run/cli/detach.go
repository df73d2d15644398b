package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/problem"
)

// A detached container has two processes before it runs, and one after:
//
//	front:      what the user typed; ends when the program has started
//	supervisor: the container's parent; ends when the container does
//
// They share a socket. The front sends an order, and the supervisor a line when
// the program has started. When the supervisor cannot start it, it says why on
// the front's standard error and ends with the exit code. When the front goes
// away before that, the supervisor gives the start up.

// SupervisorName is the argv[0] of a supervisor; its descriptor 3 is the socket.
const SupervisorName = "safe-run-supervisor"

// Order is what a supervisor is to do. It is sent and not an argument, because
// it holds environments, and arguments are everybody's to read.
type Order struct {
	// ID is the container's. Adopt says that the ledger has it already; it is
	// made otherwise.
	ID    string `json:"id"`
	Adopt bool   `json:"adopt,omitempty"`
	// Args is the command line of run, without the verb.
	Args []string `json:"args"`
	// Served is what a service manager gave to whoever gives the order. Its
	// sockets are the descriptors from 4 on.
	Served served `json:"served,omitzero"`
	// Attach is the descriptor of somebody who is attached before the program
	// begins; 0 is nobody.
	Attach int `json:"attach,omitempty"`

	socket *os.File
	attach *os.File // what Attach is, on either side
	relay  *relay   // for whom signals come until the program runs; nil: the supervisor
}

// maxOrder bounds an order: a command line may have 2 MiB, and each byte may be
// six of JSON.
const maxOrder = 16 << 20

// TakeOrder gives what this process is to do, when it is a supervisor; nil in
// every other.
func TakeOrder() *Order {
	if os.Args[0] != SupervisorName {
		return nil
	}
	syscall.CloseOnExec(ownerSocket)
	o := &Order{}
	socket := os.NewFile(ownerSocket, "front")
	if err := json.NewDecoder(io.LimitReader(socket, maxOrder)).Decode(o); err != nil || !ledger.ValidID(o.ID) {
		os.Exit(exitLauncher) // the front is gone
	}
	o.socket = socket
	if o.Attach > ownerSocket {
		syscall.CloseOnExec(o.Attach)
		o.attach = os.NewFile(uintptr(o.Attach), "attached")
	}
	return o
}

// started is what a supervisor says once the program runs.
type started struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// detach starts a container in the background and prints its id.
func (a *app) detach(o runOptions, args []string) error {
	id := sandbox.NewID()
	s, err := order(a.std, Order{ID: id, Args: args})
	if err != nil {
		return err
	}
	if err := writeCID(o.CIDFile, s.ID); err != nil {
		return launcherError(err)
	}
	if a.format == formatJSON {
		return writeJSON(a.std.Out, s)
	}
	_, err = fmt.Fprintln(a.std.Out, s.ID)
	return err
}

// order starts a supervisor and waits until the program runs.
func order(std IO, o Order) (started, error) {
	files := std.served.files()
	if o.attach != nil {
		files = append(files, o.attach)
		o.Attach = ownerSocket + len(files)
	}
	socket, supervisor, err := startSupervisor(std, files)
	if err != nil {
		return started{}, launcherError(err)
	}
	defer socket.Close()
	if o.relay == nil {
		o.relay = newRelay()
		defer o.relay.stop()
	}
	o.relay.pass(func(sig os.Signal) { _ = supervisor.Process.Signal(sig) })
	o.Served = std.served
	err = json.NewEncoder(socket).Encode(o)
	var s started
	if err == nil {
		err = json.NewDecoder(io.LimitReader(socket, 4096)).Decode(&s)
	}
	if err == nil {
		_ = supervisor.Process.Release()
		return s, nil
	}
	// The supervisor has said why on standard error, unless it was killed.
	err = supervisor.Wait()
	if code := supervisor.ProcessState.ExitCode(); code > 0 {
		return started{}, &exitError{Code: code}
	}
	return started{}, launcherError(problem.New("run `safe-run gc`, and try again", "the supervisor ended before the program started: %w",
		errors.Join(err, io.ErrUnexpectedEOF)))
}

// startSupervisor starts a supervisor in a session of its own, with files from
// descriptor 4 on.
func startSupervisor(std IO, files []*os.File) (*os.File, *exec.Cmd, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	mine, theirs := os.NewFile(uintptr(fds[0]), "supervisor"), os.NewFile(uintptr(fds[1]), "front")
	defer theirs.Close()
	cmd := &exec.Cmd{
		Path:        "/proc/self/exe",
		Args:        []string{SupervisorName},
		Stderr:      std.Err,
		ExtraFiles:  append([]*os.File{theirs}, files...),
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		mine.Close()
		return nil, nil, err
	}
	return mine, cmd, nil
}

// begin begins to get ready for a run; in the front of a detached container
// nothing, unless it turns out to be none.
func begin(o *Order, args []string) *sandbox.Readiness {
	switch {
	case o != nil:
		return sandbox.BeginAs(state.DefaultRoot, o.ID)
	case mayDetach(args):
		return sandbox.BeginLater(state.DefaultRoot)
	}
	return sandbox.Begin(state.DefaultRoot)
}

// mayDetach says whether a command line of run may ask for the background:
// whoever stays in the front need not get ready to run anything. It may be
// wrong about what stands after the image, which costs a little time.
func mayDetach(args []string) bool {
	for _, arg := range args {
		switch {
		case arg == "--":
			return false
		case strings.HasPrefix(arg, "--detach") && !strings.HasPrefix(arg, "--detach-"):
			return true
		case len(arg) > 1 && arg[0] == '-' && arg[1] != '-' && strings.Contains(strings.SplitN(arg, "=", 2)[0], "d"):
			return true
		}
	}
	return false
}

// nameFree fails when the ledger has the name of a container that is about to
// run in the foreground.
func nameFree(name string) error {
	if name == "" {
		return nil
	}
	l, err := ledger.Open("")
	if err != nil {
		return err
	}
	if l.Taken(name) {
		return problem.New("choose another --name, or remove the one that has it: safe-run rm -f "+name, "name %q is in use", name)
	}
	return nil
}

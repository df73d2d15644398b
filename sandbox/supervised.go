package sandbox

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/network"
	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// NewID makes an id for BeginAs.
func NewID() string { return state.NewID() }

// Pid is the first process's id on the host, after Start.
func (c *Cmd) Pid() (pid int, start uint64) {
	pid = c.container.Pid()
	start, _ = state.StartTime(pid) // 0 when it has ended
	return pid, start
}

// execPatience bounds the time between the release of the first process and
// the program's execution, which is a few system calls.
const execPatience = 2 * time.Second

// Executed waits, after Start, until the first process runs its program, and
// says whether it does. One that ended without running it has not; Wait says
// why.
func (c *Cmd) Executed() bool {
	for deadline := time.Now().Add(execPatience); ; time.Sleep(200 * time.Microsecond) {
		executed, ended := runc.Executing(c.container.Pid())
		if executed || ended || time.Now().After(deadline) {
			return executed || !ended
		}
	}
}

// Possible checks what Start would check of a plan before anything is made.
func Possible(plan *spec.Plan) error { return network.Check(plan.Network) }

// Leftover removes what an earlier sandbox of this id left, once its launcher
// is gone. Its warden may just be at it.
func Leftover(root, id string) error {
	store := &state.Store{Root: root}
	for deadline := time.Now().Add(collectTimeout); store.Known(id); time.Sleep(10 * time.Millisecond) {
		if rec, err := store.Load(id); err == nil && !rec.Alive() || time.Now().After(deadline) {
			return Collect(root, id)
		}
	}
	return nil
}

// Signal sends a signal to the first process of a foreground sandbox, through
// its launcher, which passes it on. SIGKILL ends the launcher, and its warden
// the sandbox.
func Signal(root, ref string, sig syscall.Signal) error {
	rec, err := find(root, ref)
	if err != nil {
		return err
	}
	if err := pooled(rec); err != nil {
		return err
	}
	launcher, err := unix.PidfdOpen(rec.Launcher, 0)
	if err != nil || !rec.Alive() {
		return problem.New("`safe-run gc` removes what is left of it", "%s does not run: its launcher is gone", rec.Name)
	}
	defer unix.Close(launcher)
	err = unix.PidfdSendSignal(launcher, sig, nil, 0)
	switch {
	case errors.Is(err, unix.EPERM):
		return problem.New("do it as the user who started it, or as root", "signal %s: %w", rec.Name, err)
	case err != nil:
		return problem.New("`safe-run ps` lists what runs", "signal %s: %w", rec.Name, err)
	case sig == unix.SIGKILL:
		return awaitCollected(root, rec)
	}
	return nil
}

// Await waits until a foreground sandbox has ended.
func Await(root, ref string) error {
	rec, err := find(root, ref)
	if err != nil {
		return err
	}
	launcher, err := unix.PidfdOpen(rec.Launcher, 0)
	if err != nil || !rec.Alive() {
		return nil
	}
	defer unix.Close(launcher)
	for !ended(launcher, time.Hour) {
	}
	return nil
}

// Lookup finds a sandbox that has a record: one that runs, or whose launcher
// was killed.
func Lookup(root, ref string) (Info, error) {
	rec, err := find(root, ref)
	if err != nil {
		return Info{}, err
	}
	return infoOf(rec), nil
}

// SignalNumber is a signal by its name: "SIGTERM".
func SignalNumber(name string) (syscall.Signal, bool) {
	sig := unix.SignalNum(name)
	return sig, sig != 0
}

// PortText is a published port for people: "127.0.0.1:8080->80/tcp".
func PortText(p spec.Port) string {
	return fmt.Sprintf("%s:%d->%d/%s", p.HostIP, p.HostPort, p.ContainerPort, p.Protocol)
}

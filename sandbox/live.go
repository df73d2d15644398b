package sandbox

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// Live is a running sandbox, whoever started it.
type Live struct {
	// Plan is what it was made from, without the system call filter.
	Plan *spec.Plan

	record state.Record
	store  *state.Store
	inside *runc.Live
}

// OpenLive finds a running sandbox by its name, its id, or the beginning of its
// id. Close lets go of it.
func OpenLive(root, ref string) (*Live, error) {
	rec, err := findLive(root, ref)
	if err != nil {
		return nil, err
	}
	l := &Live{record: rec, store: &state.Store{Root: root}}
	if l.inside, err = runc.OpenLive(l.store.RuntimeDir(rec.ID), rec.ID); err != nil {
		return nil, l.explain(err)
	}
	if l.Plan, err = l.readPlan(); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// BeginExec begins what an exec would wait for; see runc.Prime. It is called as
// early as can be, and needs no end.
func BeginExec() { runc.Prime() }

// explain turns an error about the container's processes into one for people.
func (l *Live) explain(err error) error {
	if errors.Is(err, runc.ErrGone) {
		return notRunning(l.record.Name)
	}
	return err
}

// Close lets go of the sandbox, which goes on.
func (l *Live) Close() { l.inside.Close() }

// ID is the whole id.
func (l *Live) ID() string { return l.record.ID }

// Created is when it was begun.
func (l *Live) Created() time.Time { return l.record.Created }

// Name is what it is called now.
func (l *Live) Name() string { return l.record.Name }

// Signal sends a signal to the first process. One that would end any other
// process, and that the first one is deaf to, kills it; see Cmd.Signal.
func (l *Live) Signal(sig syscall.Signal) error {
	if ends(sig) && l.inside.Deaf(sig) {
		sig = unix.SIGKILL
	}
	return l.explain(l.inside.Signal(sig))
}

// Pause stops every process; Unpause lets them go on. Both say when there is
// nothing to do.
func (l *Live) Pause() error {
	paused, err := l.inside.Paused()
	if err != nil {
		return err
	}
	if paused {
		return problem.New("safe-run unpause "+l.Name()+" lets it go on", "%s is paused already", l.Name())
	}
	if err := l.inside.Freeze(); err != nil {
		return l.explain(err)
	}
	l.tell(event.Pause)
	return l.tellLedger(ledger.Paused)
}

// Unpause undoes Pause.
func (l *Live) Unpause() error {
	paused, err := l.inside.Paused()
	if err != nil {
		return err
	}
	if !paused {
		return problem.New("`safe-run ps` shows which are", "%s is not paused", l.Name())
	}
	if err := l.inside.Thaw(); err != nil {
		return l.explain(err)
	}
	l.tell(event.Unpause)
	return l.tellLedger(ledger.Running)
}

// tellPaused says that the container is paused, once it is known to run.
func (l *Live) tellPaused() bool {
	kept, err := ledger.Open("")
	if err != nil {
		return false
	}
	_, s, err := kept.Get(l.record.ID)
	if err == nil && !s.Status.Active() {
		return false
	}
	if err == nil && s.Status == ledger.Paused {
		return true
	}
	l.tell(event.Pause)
	return l.tellLedger(ledger.Paused) == nil
}

// tellLedger writes down how the container is, when it is one of the ledger's.
func (l *Live) tellLedger(status ledger.Status) error {
	kept, err := ledger.Open("")
	if err != nil {
		return err
	}
	err = kept.Change(l.record.ID, func(s *ledger.State) error {
		if s.Status == ledger.Running || s.Status == ledger.Paused {
			s.Status = status
		}
		return nil
	})
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	return err
}

// Paused says whether the processes are stopped.
func (l *Live) Paused() (bool, error) { return l.inside.Paused() }

// Processes gives the host's ids of the processes that run now.
func (l *Live) Processes() ([]int, error) { return l.inside.Processes() }

// Pid is the first process's id on the host.
func (l *Live) Pid() int { return l.inside.Pid() }

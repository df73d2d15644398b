package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec"
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

// findLive looks for the record of a sandbox. One that only the ledger knows
// does not run. The ledger's names come first: a sandbox may have been renamed
// since its record was written.
func findLive(root, ref string) (state.Record, error) {
	kept, err := ledger.Open("")
	if err != nil {
		return find(root, ref)
	}
	known, _, notKept := kept.Find(ref)
	if notKept == nil && known.Name == ref {
		return liveRecord(root, known)
	}
	rec, err := find(root, ref)
	if err == nil {
		if now := named(kept, rec); rec.Name == ref && now.Name != ref {
			// It has had that name, and has another now.
			err = problem.New("`safe-run ps` lists what runs", "no container %q", ref)
		} else {
			rec = now
		}
	}
	switch {
	case err == nil && (rec.Name == ref || rec.ID == ref || notKept != nil || known.ID == rec.ID):
		return rec, nil
	case err == nil:
		return rec, problem.New("type more digits, or the name", "%q is the beginning of more than one container's id", ref)
	case notKept == nil:
		return liveRecord(root, known)
	case !errors.Is(notKept, ledger.ErrNotFound):
		return rec, notKept // it is damaged, or ambiguous
	}
	return rec, unknown(root, ref, err)
}

// unknown marks an error of find, unless it is that ref means several.
func unknown(root, ref string, err error) error {
	all, _ := records(root)
	for _, rec := range all {
		if strings.HasPrefix(rec.ID, ref) {
			return err
		}
	}
	return &notFoundError{err}
}

// notFoundError is the error for a container that nobody knows.
type notFoundError struct{ error }

func (e *notFoundError) Unwrap() error { return e.error }

// IsNotFound says whether an error of OpenLive is that nobody knows the
// container.
func IsNotFound(err error) bool {
	var unknown *notFoundError
	return errors.As(err, &unknown)
}

// liveRecord gives the record of a container of the ledger.
func liveRecord(root string, known ledger.Container) (state.Record, error) {
	rec, err := (&state.Store{Root: root}).Load(known.ID)
	if errors.Is(err, os.ErrNotExist) {
		return rec, notRunning(known.Name)
	}
	rec.Name = known.Name
	return rec, err
}

// named gives a record the name that its container has now.
func named(kept *ledger.Ledger, rec state.Record) state.Record {
	if known, _, err := kept.Get(rec.ID); err == nil {
		rec.Name = known.Name
	}
	return rec
}

func notRunning(name string) error {
	return problem.New("`safe-run ps` lists what runs; to start it again: safe-run start "+name, "container %s does not run", name)
}

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

// planFile is what is kept of a plan while its sandbox runs, beside the record.
const planFile = "plan.json"

// mostPlan bounds it.
const mostPlan = 4 << 20

// keepPlan writes a plan down for those who join or look at the sandbox. The
// filter, most of a plan, is left out: libcontainer's own state has it.
func keepPlan(dir string, plan *spec.Plan, ports []spec.Port) error {
	short, oci, linux := *plan, *plan.OCI, *plan.OCI.Linux
	linux.Seccomp = nil
	oci.Linux, short.OCI, short.Network.Publish = &linux, &oci, ports
	data, err := json.Marshal(short)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, planFile), data, 0o600)
}

func (l *Live) readPlan() (*spec.Plan, error) {
	plan, err := readPlan(l.store.Dir(l.record.ID))
	if errors.Is(err, os.ErrNotExist) {
		return nil, notRunning(l.record.Name)
	}
	if err != nil {
		return nil, problem.New("stop it, and start it again", "what is known of %s cannot be read: %w", l.record.Name, err)
	}
	return plan, nil
}

func readPlan(dir string) (*spec.Plan, error) {
	f, err := os.Open(filepath.Join(dir, planFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, mostPlan+1))
	if err != nil {
		return nil, err
	}
	var plan spec.Plan
	if len(data) > mostPlan {
		err = errors.New("it is too large")
	} else {
		err = json.Unmarshal(data, &plan)
	}
	if err == nil && (plan.OCI == nil || plan.OCI.Process == nil || plan.OCI.Linux == nil || plan.OCI.Linux.Resources == nil) {
		err = errors.New("it is not whole")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", planFile, err)
	}
	return &plan, nil
}

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
	return l.tellLedger(ledger.Running)
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

// Rename gives a container another name. One that runs in the foreground keeps
// its name: whoever started it gives that very name back in the end.
func Rename(root, ref, name string) error {
	kept, err := ledger.Open("")
	if err != nil {
		return err
	}
	known, _, err := kept.Find(ref)
	if err == nil {
		return kept.Rename(known.ID, name)
	}
	if !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	rec, notHere := find(root, ref)
	if notHere != nil {
		return err
	}
	return problem.New("start it with --name, or with -d to rename it later", "%s runs in the foreground and keeps its name", rec.Name)
}

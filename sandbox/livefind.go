package sandbox

import (
	"errors"
	"os"
	"strings"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/problem"
)

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
	all, _ := records(root, none)
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

// ErrNotRunning says that a container is known, and has ended.
var ErrNotRunning = errors.New("does not run")

func notRunning(name string) error {
	return problem.New("`safe-run ps` lists what runs; to start it again: safe-run start "+name, "container %s %w", name, ErrNotRunning)
}

package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Sweep removes what a killed process left half made or half removed, writes
// down which containers are dead, and gives those that it changed.
func (l *Ledger) Sweep() (removed, died []Container, err error) {
	var errs []error
	entries, err := os.ReadDir(l.dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), gonePrefix) {
			errs = append(errs, os.RemoveAll(filepath.Join(l.dir, e.Name())))
		}
	}
	ids, lerr := l.IDs()
	errs = append(errs, err, lerr)
	for _, id := range ids {
		c, what, err := l.settle(id)
		switch errs = append(errs, err); what {
		case settledRemoved:
			removed = append(removed, c)
		case settledDead:
			died = append(died, c)
		}
	}
	return removed, died, errors.Join(append(errs, l.releaseNames(l.freeName))...)
}

// What settle did.
type settled int

const (
	settledNothing settled = iota
	settledRemoved
	settledDead
)

// settle makes what the ledger says of one container true.
func (l *Ledger) settle(id string) (Container, settled, error) {
	c, s, err := l.Get(id)
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrDamaged):
		c = Container{ID: id, Name: id[:shortID]}
		if gone, err := l.abandoned(id); gone {
			return c, settledRemoved, err
		}
		return c, settledNothing, nil // a person decides
	case err != nil:
		return c, settledNothing, err
	}
	orphan := s.Status == Created && !c.Kept && l.silent(id) || s.Status == Dead && c.AutoRemove
	if orphan {
		if err := l.Remove(id); !errors.Is(err, ErrRunning) {
			return c, settledRemoved, err
		}
		return c, settledNothing, nil
	}
	if s.Status != Dead {
		return c, settledNothing, nil
	}
	return l.bury(c)
}

// silent says whether a container has never written anything: one that has, ran,
// and has lost its state.
func (l *Ledger) silent(id string) bool {
	info, err := os.Lstat(logPath(l.LogDir(id), 0))
	return errors.Is(err, os.ErrNotExist) || err == nil && info.Mode().IsRegular() && info.Size() == 0
}

// bury writes down that a container is dead, unless that is written already.
func (l *Ledger) bury(c Container) (Container, settled, error) {
	e, err := l.Adopt(c.ID)
	if errors.Is(err, ErrRunning) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged) {
		return c, settledNothing, nil
	}
	if err != nil {
		return c, settledNothing, err
	}
	defer e.Close()
	if !e.stale {
		return c, settledNothing, nil
	}
	s := e.State()
	if s.Finished.IsZero() || s.Finished.Before(s.Started) {
		s.Finished = time.Now().UTC()
		if s.Finished.Before(s.Started) { // the clock was set back meanwhile
			s.Finished = s.Started
		}
	}
	return c, settledDead, e.SetState(s)
}

// abandoned removes what Create left that was killed, and says whether there was
// such a thing.
func (l *Ledger) abandoned(id string) (bool, error) {
	making, err := l.making(unix.LOCK_EX)
	if err != nil {
		return false, err
	}
	defer making.Close()
	if !l.halfMade(id) {
		return false, nil
	}
	err = l.Remove(id)
	if errors.Is(err, ErrRunning) || errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return true, err
}

// halfMade says whether a directory holds nothing but what Create makes before
// there is a container.
func (l *Ledger) halfMade(id string) bool {
	entries, err := os.ReadDir(l.Dir(id))
	if err != nil {
		return false
	}
	for _, e := range entries {
		switch e.Name() {
		case lockFile, claimFile, spareFile, containerFile + partSuffix:
		case logDir:
			if log, err := os.ReadDir(l.LogDir(id)); err != nil || len(log) > 0 {
				return false
			}
		default:
			return false
		}
	}
	return true
}

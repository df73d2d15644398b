package state

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/safe-run/safe-run/spec/problem"
)

// Update changes the record of a sandbox. Those who do take turns.
func (s *Store) Update(id string, change func(*Record)) error {
	dir, err := s.lockSandbox(id)
	if err != nil {
		return err
	}
	defer dir.Close() // and unlocks
	rec, err := s.Load(id)
	if err != nil {
		return err
	}
	change(&rec)
	return s.Save(rec)
}

// Rename gives a sandbox another name while commit makes it so for all others;
// when that fails nothing has changed. What is left of one that is interrupted
// is for ReleaseClaims: a sandbox has the name that its record says.
func (s *Store) Rename(id, name string, commit func() error) error {
	if !validName(name) {
		return problem.New("use letters, digits, '_', '.' and '-', at most 63", "name %.80q cannot be used", name)
	}
	dir, err := s.lockSandbox(id)
	if err != nil {
		return err
	}
	defer dir.Close() // and unlocks
	rec, err := s.Load(id)
	if err != nil {
		return err
	}
	path := s.namePath(name)
	err = os.Link(s.claimFile(id), path)
	if errors.Is(err, os.ErrExist) && s.Holder(name) == id {
		err = nil // an earlier attempt got so far
	}
	switch {
	case errors.Is(err, os.ErrExist):
		return nameInUse(name)
	case err != nil:
		return err
	}
	old := rec.Name
	if err := commit(); err != nil {
		if old != name {
			err = errors.Join(err, unclaim(path, id))
		}
		return err
	}
	rec.Name = name
	if err := s.Save(rec); err != nil || old == name {
		return err
	}
	return unclaim(s.namePath(old), id)
}

func nameInUse(name string) error {
	return problem.New("choose another --name, or end the one that has it: safe-run stop "+name, "name %q is in use", name)
}

func (s *Store) namePath(name string) string { return filepath.Join(s.Root, "names", name) }

// Holder gives the id of the sandbox that has a name; empty when none has.
func (s *Store) Holder(name string) string {
	if !validName(name) {
		return ""
	}
	id, err := os.ReadFile(s.namePath(name))
	if err != nil || !validID(string(id)) || !s.Known(string(id)) {
		return ""
	}
	return string(id)
}

// lockSandbox lets one process at a time change what is known of a sandbox.
func (s *Store) lockSandbox(id string) (*os.File, error) {
	dir, err := os.Open(s.Dir(id))
	if err != nil {
		return nil, err
	}
	if err := lock(dir); err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

// giveBack releases the name of a sandbox that goes, also the one that it got
// since rec was read.
func (s *Store) giveBack(rec Record) (errs []error) {
	names := []string{rec.Name}
	if now, err := s.Load(rec.ID); err == nil && now.Name != rec.Name {
		names = append(names, now.Name)
	}
	return s.giveBackAll(rec.ID, names...)
}

func (s *Store) giveBackAll(id string, names ...string) (errs []error) {
	for i, name := range names {
		if name != "" && !slices.Contains(names[:i], name) {
			errs = append(errs, unclaim(s.namePath(name), id))
		}
	}
	return errs
}

// releaseStale gives back a name that a sandbox has beside its own: a rename
// was interrupted.
func (s *Store) releaseStale(name, id string) error {
	dir, err := s.lockSandbox(id)
	if err != nil {
		return ignoreMissing(err)
	}
	defer dir.Close() // and unlocks
	rec, err := s.Load(id)
	if err != nil || rec.Name == name {
		return nil // it is being made, or has it rightly
	}
	return unclaim(s.namePath(name), id)
}

// FirstToTell says whether this process is the first of those who collect a
// sandbox at the same time: one of them tells of its end.
func (s *Store) FirstToTell(id string) bool {
	f, err := os.OpenFile(filepath.Join(s.Dir(id), "told"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

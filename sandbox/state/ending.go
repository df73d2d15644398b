package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// endedFile is the record of a sandbox that has ended, and of which its warden is
// removing the rest.
const endedFile = "ended.json"

// endPatience is how long an id range is waited for while sandboxes are being
// removed.
const endPatience = 2 * time.Second

// End makes the sandbox one that is not there any more, for all but those who
// collect: its name is free, and no list has it. Its slot is still taken. What is
// left of it is for the caller's warden to remove; should that fail, for Reopen.
func (s *Store) End(rec Record) error {
	dir, err := s.lockSandbox(rec.ID)
	if err != nil {
		return err
	}
	now, err := s.Load(rec.ID)
	if err == nil {
		err = os.Rename(s.recordFile(rec.ID), filepath.Join(s.Dir(rec.ID), endedFile))
	}
	dir.Close() // and unlocks
	if err != nil {
		return err
	}
	return errors.Join(s.giveBackAll(rec.ID, rec.Name, now.Name)...)
}

// Ended reads the record of a sandbox that End was called for.
func (s *Store) Ended(id string) (Record, error) { return s.read(id, endedFile) }

// Left reads the record of a sandbox that has ended and that nobody removes: its
// warden was killed as well. Its name is its own only while nobody else has it.
func (s *Store) Left(id string) (rec Record, left bool) {
	rec, err := s.Ended(id)
	if err != nil || rec.attended() {
		return rec, false
	}
	// Once more: a warden is not there any more when it has removed everything.
	if rec, err = s.Ended(id); err != nil {
		return rec, false
	}
	if holder := s.Holder(rec.Name); holder != "" && holder != id {
		rec.Name = id[:12]
	}
	return rec, true
}

// attended says whether the launcher or the warden of a sandbox is there. A
// warden's command line has the id, which is nobody else's.
func (rec Record) attended() bool {
	if rec.Alive() {
		return true
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", rec.Warden))
	return err == nil && strings.Contains(string(line), rec.ID)
}

// Reopen undoes End for a sandbox that cannot be removed: it is listed again, as
// one whose launcher is gone, with its first digits for a name when somebody else
// has got its own. That it has ended has been told.
func (s *Store) Reopen(id string) error {
	s.FirstToTell(id)
	dir, err := s.lockSandbox(id)
	if err != nil {
		return err
	}
	defer dir.Close() // and unlocks
	rec, err := s.Ended(id)
	if err != nil {
		return err
	}
	rec.Launcher, rec.LauncherStart = 0, 0 // it is about to end
	if rec.Name != id[:12] && os.Link(s.claimFile(id), s.namePath(rec.Name)) != nil && s.Holder(rec.Name) != id {
		rec.Name = id[:12]
	}
	if err := s.Save(rec); err != nil {
		return err
	}
	return os.Remove(filepath.Join(s.Dir(id), endedFile))
}

// ending says whether a sandbox that End was called for is being removed.
func (s *Store) ending() bool {
	ids, _ := s.List() // who cannot list them has failed before
	for _, id := range ids {
		if rec, err := s.Ended(id); err == nil && rec.attended() {
			return true
		}
	}
	return false
}

func (s *Store) recordFile(id string) string { return filepath.Join(s.Dir(id), "record.json") }

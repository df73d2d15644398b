package state

import (
	"errors"
	"os"
	"path/filepath"
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

// Reopen undoes End for a sandbox that cannot be removed: it is listed again, as
// one whose launcher is gone. That it has ended has been told.
func (s *Store) Reopen(id string) error {
	s.FirstToTell(id)
	return os.Rename(filepath.Join(s.Dir(id), endedFile), s.recordFile(id))
}

// ending says whether there is a sandbox that End was called for.
func (s *Store) ending() bool {
	ids, _ := s.List() // who cannot list them has failed before
	for _, id := range ids {
		if _, err := os.Stat(filepath.Join(s.Dir(id), endedFile)); err == nil {
			return true
		}
	}
	return false
}

func (s *Store) recordFile(id string) string { return filepath.Join(s.Dir(id), "record.json") }

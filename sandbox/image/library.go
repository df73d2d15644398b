package image

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// TryAlone is Alone without waiting: nil when somebody adds to the store.
func (s *Store) TryAlone() (*Lock, error) {
	f, err := s.lockFile("store")
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, err
	}
	return &Lock{f: f}, nil
}

// Records gives every record that can be understood, sorted by reference.
func (s *Store) Records() ([]*Record, error) {
	records, err := documents(s.path("refs"), DecodeRecord)
	slices.SortFunc(records, func(a, b *Record) int { return strings.Compare(a.Reference, b.Reference) })
	return records, err
}

// Entries gives every image that can be understood, sorted by digest.
func (s *Store) Entries() ([]*Entry, error) {
	entries, err := documents(s.path("images"), DecodeEntry)
	slices.SortFunc(entries, func(a, b *Entry) int { return strings.Compare(a.Digest, b.Digest) })
	return entries, err
}

func documents[T any](dir string, decode func([]byte) (*T, error)) ([]*T, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []*T
	for _, f := range files {
		if strings.HasPrefix(f.Name(), unfinished) {
			continue // perhaps whole already, by one who was killed before it had its name
		}
		if doc := read(dir+"/"+f.Name(), decode); doc != nil {
			out = append(out, doc)
		}
	}
	return out, nil
}

// InUse reports whether a sandbox runs from the image.
func (s *Store) InUse(digest string) (bool, error) {
	lock, err := s.Exclude(digest)
	if err != nil {
		return false, err
	}
	return lock == nil, lock.Release()
}

// Forget removes the record of ref. The image itself stays until it is
// collected.
func (s *Store) Forget(ref Reference) error {
	err := os.Remove(s.path("refs", recordName(ref)))
	if errors.Is(err, fs.ErrNotExist) {
		return problem.New("see safe-run image ls", "there is no image %s in the store", ref)
	}
	return err
}

// Remove removes the image of a digest and what means it. It is refused while
// a sandbox runs from it. Its layers stay until they are collected.
func (s *Store) Remove(digest string) error {
	lock, err := s.Exclude(digest)
	if err != nil {
		return err
	}
	if lock == nil {
		return problem.New("stop what runs from it first: safe-run ps", "the image %s is in use", digest)
	}
	defer lock.Release()
	records, err := s.Records()
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.Digest != digest {
			continue
		}
		ref, parseErr := Parse(r.Reference)
		if parseErr != nil {
			continue
		}
		err = errors.Join(err, s.Forget(ref))
	}
	return errors.Join(err, s.dropEntry(digest))
}

func (s *Store) dropEntry(digest string) error {
	err := os.Remove(s.path("images", fileName(digest)+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Prune removes every image that no reference means and no sandbox runs from;
// all without a sandbox, when all is set. What needed says of a digest stays, too;
// it may be nil. It gives the digests of those that are gone.
func (s *Store) Prune(all bool, needed func(digest string) bool) ([]string, error) {
	records, err := s.Records()
	if err != nil {
		return nil, err
	}
	meant := map[string]bool{}
	for _, r := range records {
		meant[r.Digest] = true
	}
	entries, err := s.Entries()
	if err != nil {
		return nil, err
	}
	var gone []string
	for _, e := range entries {
		if meant[e.Digest] && !all || needed != nil && needed(e.Digest) {
			continue
		}
		used, err := s.InUse(e.Digest)
		if err != nil {
			return gone, err
		}
		if used {
			continue
		}
		if err := s.Remove(e.Digest); err != nil {
			return gone, err
		}
		gone = append(gone, e.Digest)
	}
	return gone, nil
}

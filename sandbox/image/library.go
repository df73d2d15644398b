package image

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

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
// all without a sandbox, when all is set. It gives their digests.
func (s *Store) Prune(all bool) ([]string, error) {
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
		if meant[e.Digest] && !all {
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

// Collect removes the layers and blobs of no image, and what is unfinished,
// unless it was written to since the time given. Whoever calls it has the
// store alone. It gives the bytes that were freed.
func (s *Store) Collect(before time.Time) (freed int64, err error) {
	if unknown, err := s.runsUnknown(); unknown || err != nil {
		return 0, err
	}
	entries, err := s.Entries()
	if err != nil {
		return 0, err
	}
	kept := map[string]bool{}
	for _, e := range entries {
		kept[s.Blob(e.Digest)] = true
		kept[s.Blob(e.ConfigRaw)] = true
		for _, l := range e.Layers {
			kept[s.Layer(l.Chain)] = true
			kept[s.Blob(l.Blob)] = true
		}
	}
	for _, dir := range []string{"layers", "blobs", "partial"} {
		files, readErr := os.ReadDir(s.path(dir))
		err = errors.Join(err, readErr)
		for _, f := range files {
			path := s.path(dir, f.Name())
			if kept[path] {
				continue
			}
			n, dropErr := dropOld(path, before)
			freed += n
			err = errors.Join(err, dropErr)
		}
	}
	return freed, errors.Join(err, s.dropUnfinished(before))
}

// runsUnknown reports whether a sandbox runs from an image whose entry cannot
// be understood, such as that of another version: which layers it needs is not
// known.
func (s *Store) runsUnknown() (bool, error) {
	files, err := os.ReadDir(s.path("images"))
	if err != nil {
		return false, err
	}
	for _, f := range files {
		digest := strings.Replace(strings.TrimSuffix(f.Name(), ".json"), "-", ":", 1)
		if !ValidDigest(digest) || s.Entry(digest) != nil {
			continue
		}
		if used, err := s.InUse(digest); used || err != nil {
			return used, err
		}
	}
	return false, nil
}

// dropUnfinished removes records and entries that were not written to their
// end.
func (s *Store) dropUnfinished(before time.Time) (err error) {
	for _, dir := range []string{"refs", "images"} {
		files, readErr := os.ReadDir(s.path(dir))
		err = errors.Join(err, readErr)
		for _, f := range files {
			if strings.HasPrefix(f.Name(), unfinished) {
				_, dropErr := dropOld(s.path(dir, f.Name()), before)
				err = errors.Join(err, dropErr)
			}
		}
	}
	return err
}

// dropOld removes path unless it was changed since; a change of its name
// counts (ctime).
func dropOld(path string, before time.Time) (int64, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return 0, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	if !time.Unix(st.Ctim.Unix()).Before(before) {
		return 0, nil
	}
	size := st.Size
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		size, _ = DiskUse(path) // what cannot be counted is removed all the same
	}
	return size, os.RemoveAll(path)
}

// DiskUse is what the files below dir take up, in bytes.
func DiskUse(dir string) (int64, error) {
	var total int64
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		path := dir + "/" + e.Name()
		if e.IsDir() {
			n, readErr := DiskUse(path)
			total, err = total+n, errors.Join(err, readErr)
			continue
		}
		info, statErr := e.Info()
		if statErr != nil {
			err = errors.Join(err, statErr)
			continue
		}
		if info.Mode().IsRegular() {
			total += info.Size()
		}
	}
	return total, err
}

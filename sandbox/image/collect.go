package image

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

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

package compiled

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// MaxEntries bounds a store: of more, those are removed that were made first.
const MaxEntries = 64

var errForeign = errors.New("what keeps compiled filters is not this user's alone")

// A Store is a directory of entries, named by their keys. It is a cache: it may
// be lost at any time, and what is wrong with it is no reason not to launch.
type Store struct{ Dir string }

// Load gives an entry, encoded and checked.
func (s Store) Load(key string) ([]byte, error) {
	dir, err := s.open()
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	fd, err := unix.Openat(int(dir.Fd()), key, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: filepath.Join(s.Dir, key), Err: err}
	}
	f := os.NewFile(uintptr(fd), key)
	defer f.Close()
	size, err := own(f, unix.S_IFREG)
	if err != nil {
		return nil, err
	}
	if size > MaxSize {
		return nil, errDamaged
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, err
	}
	_, err = Decode(key, data)
	return data, err
}

// Save keeps an encoded entry, whole or not at all.
func (s Store) Save(key string, encoded []byte) error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	dir, err := s.open()
	if err != nil {
		return err
	}
	defer dir.Close()
	f, err := os.CreateTemp(s.Dir, "new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(encoded)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(s.Dir, key))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return s.bound()
}

// open opens the directory, if nobody else can change what is in it.
func (s Store) open() (*os.File, error) {
	fd, err := unix.Open(s.Dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: s.Dir, Err: err}
	}
	dir := os.NewFile(uintptr(fd), s.Dir)
	if _, err := own(dir, unix.S_IFDIR); err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return dir, nil
}

// own says how large a file is that is this user's and closed to all others.
func own(f *os.File, kind uint32) (size int64, err error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	if stat.Mode&unix.S_IFMT != kind || stat.Mode&0o077 != 0 || int(stat.Uid) != os.Geteuid() {
		return 0, errForeign
	}
	return stat.Size, nil
}

// bound removes what is too much: entries, and what a killed Save left.
func (s Store) bound() error {
	entries, err := os.ReadDir(s.Dir)
	if err != nil || len(entries) <= MaxEntries {
		return err
	}
	var files []os.FileInfo
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b os.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	var errs []error
	for _, info := range files[min(len(files), MaxEntries):] {
		errs = append(errs, os.Remove(filepath.Join(s.Dir, info.Name())))
	}
	return errors.Join(errs...)
}

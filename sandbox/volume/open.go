package volume

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// openDir opens a volume's directory, and no link to one.
func (s *Store) openDir(name string) (int, error) {
	if !ValidName(name) {
		return -1, notFound(name)
	}
	fd, err := unix.Open(s.path(name), unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		return -1, notFound(name)
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return -1, damaged(name, "it is no directory")
	case err != nil:
		return -1, &os.PathError{Op: "open", Path: s.path(name), Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("fstat", err)
	}
	if int(st.Uid) != os.Geteuid() {
		unix.Close(fd)
		return -1, damaged(name, "its directory belongs to somebody else")
	}
	return fd, nil
}

// read gives what is known of the volume whose directory is open.
func read(dir int, name string) (Volume, error) {
	v, err := readRecord(dir, name)
	if err != nil {
		return Volume{Name: name}, damaged(name, err.Error())
	}
	data, err := openData(dir, name)
	if err != nil {
		return v, err
	}
	return v, data.Close()
}

// openData opens a volume's files: a directory, and no link to one.
func openData(dir int, name string) (*os.File, error) {
	f, err := openPlain(dir, dataDir)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil, damaged(name, dataDir+" is missing")
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return nil, damaged(name, dataDir+" is no directory")
	}
	return f, err
}

// openPlain opens a directory, and no link to one.
func openPlain(dir int, name string) (*os.File, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// edit lets one process at a time change a volume.
func (s *Store) edit(ctx context.Context, name string, change func(dir int) error) error {
	for {
		dir, err := s.openDir(name)
		if err != nil {
			return err
		}
		err = waitFlock(ctx, dir, unix.LOCK_EX)
		if err == nil && !s.still(name, dir) {
			unix.Close(dir) // it was removed just before it was locked
			continue
		}
		if err == nil {
			err = change(dir)
		}
		unix.Close(dir) // and unlocks
		if errors.Is(err, context.DeadlineExceeded) {
			err = problem.New("try again", "another process changes volume %s and does not end", name)
		}
		return err
	}
}

// editSoon is edit for those who do not wait long.
func (s *Store) editSoon(name string, change func(dir int) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), editPatience)
	defer cancel()
	return s.edit(ctx, name, change)
}

// still says whether what is open is what the name means.
func (s *Store) still(name string, dir int) bool {
	var open, named unix.Stat_t
	return unix.Fstat(dir, &open) == nil && unix.Lstat(s.path(name), &named) == nil && open.Ino == named.Ino && open.Dev == named.Dev
}

// Get gives a volume by its name.
func (s *Store) Get(name string) (Volume, error) {
	dir, err := s.openDir(name)
	if err != nil {
		return Volume{Name: name}, err
	}
	defer unix.Close(dir)
	v, err := read(dir, name)
	if err != nil && !s.still(name, dir) {
		return v, notFound(name) // it is being removed
	}
	return v, err
}

// Listed is one volume of a list.
type Listed struct {
	Volume
	// Held: a launcher has it in its hands.
	Held bool
	// Damage says why the record cannot be read; nothing but the name, and
	// perhaps the time, is known then.
	Damage error
}

// List gives all volumes by name.
func (s *Store) List() ([]Listed, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	out := make([]Listed, 0, len(names))
	for _, name := range names {
		v, err := s.Get(name)
		if errors.Is(err, ErrNotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			v = Volume{Name: name, Created: s.changed(name)}
		}
		l := Listed{Volume: v, Damage: err}
		if dir, err := s.openDir(name); err == nil {
			l.Held = held(dir)
			unix.Close(dir)
		}
		out = append(out, l)
	}
	return out, nil
}

// names gives the name of every volume that there is anything of.
func (s *Store) names() ([]string, error) {
	entries, err := s.entries()
	names := slices.DeleteFunc(entries, func(name string) bool { return !ValidName(name) })
	slices.SortFunc(names, strings.Compare)
	return names, err
}

func (s *Store) entries() ([]string, error) {
	dir, err := os.Open(s.dir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Readdirnames(-1)
}

// changed is when a volume's directory was last changed.
func (s *Store) changed(name string) time.Time {
	info, err := os.Lstat(s.path(name))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime().UTC()
}

// isEmpty says whether a directory that has just been opened has nothing in it.
func isEmpty(dir *os.File) (bool, error) {
	_, err := dir.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}

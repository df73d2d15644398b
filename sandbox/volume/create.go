package volume

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// Options is what a volume is to be.
type Options struct {
	Name   string
	Labels map[string]string
	// Size bounds it, in bytes; 0: not at all.
	Size int64
	// Anonymous: the name was made up. Container is the id of the one that the
	// volume goes with; empty: it stays.
	Anonymous bool
	Container string
}

// Create makes a volume. One that is there is given as it is, as in docker; a
// size that it does not have is an error, because nobody would keep it.
func (s *Store) Create(o Options) (v Volume, created bool, err error) {
	if err := CheckName(o.Name); err != nil {
		return Volume{}, false, err
	}
	if o.Size < 0 || o.Size > 0 && o.Size < leastSize {
		return Volume{}, false, problem.New("write at least 64k", "a volume of %d bytes has no room for a file", o.Size)
	}
	for {
		v, err := s.Get(o.Name)
		if err == nil {
			return v, false, sameSize(v, o.Size)
		}
		if !errors.Is(err, ErrNotFound) {
			return Volume{}, false, err
		}
		v, err = s.make(o)
		if !errors.Is(err, unix.EEXIST) { // another was faster
			return v, err == nil, err
		}
	}
}

// leastSize is a few blocks of any filesystem.
const leastSize = 64 << 10

func sameSize(v Volume, size int64) error {
	switch {
	case size == 0 || size == v.Size:
		return nil
	case v.Size == 0:
		return problem.New("remove it first, or leave the size out", "volume %s is there already, and has no size", v.Name)
	}
	return problem.New("remove it first, or leave the size out", "volume %s is there already, with a size of %d bytes", v.Name, v.Size)
}

// make makes a volume aside and puts it in place whole; EEXIST when there is
// one. What is left when this process is killed is for Sweep.
func (s *Store) make(o Options) (_ Volume, err error) {
	aside := filepath.Join(s.dir, newPrefix+random(8))
	if err := os.Mkdir(aside, 0o700); err != nil {
		return Volume{}, problem.New(roomHint, "make volume %s: %w", o.Name, err)
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(aside)
		}
	}()
	dir, err := unix.Open(aside, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return Volume{}, &os.PathError{Op: "open", Path: aside, Err: err}
	}
	defer unix.Close(dir)
	if err := waitFlockNow(dir); err != nil { // against Sweep
		return Volume{}, err
	}
	v := Volume{
		Name: o.Name, Created: time.Now().UTC(), Labels: maps.Clone(o.Labels), Size: o.Size,
		Anonymous: o.Anonymous, Container: o.Container, Fresh: true,
	}
	data, err := makeDir(dir, dataDir)
	if err != nil {
		return Volume{}, problem.New(roomHint, "make volume %s: %w", o.Name, err)
	}
	defer data.Close()
	if v.Size > 0 {
		if v.Project, err = s.newProject(data, v.Size); err != nil {
			return Volume{}, err
		}
	}
	if err := writeRecord(dir, v); err != nil {
		return Volume{}, err
	}
	err = unix.Renameat2(unix.AT_FDCWD, aside, unix.AT_FDCWD, s.path(o.Name), unix.RENAME_NOREPLACE)
	if err != nil {
		return Volume{}, errors.Join(&os.LinkError{Op: "rename", Old: aside, New: s.path(o.Name), Err: err}, dropProject(data, v))
	}
	return v, syncPath(s.dir)
}

// waitFlockNow takes the lock of a directory that only a Sweep may have.
func waitFlockNow(dir int) error {
	taken, err := tryFlock(dir, unix.LOCK_EX)
	if err == nil && !taken {
		err = problem.New("try again", "a directory of the store of volumes was collected while it was made")
	}
	return err
}

// makeDir makes and opens a directory that all containers' users may look into;
// on the host nobody gets as far.
func makeDir(dir int, name string) (*os.File, error) {
	if err := unix.Mkdirat(dir, name, 0o755); err != nil {
		return nil, &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
	f, err := openPlain(dir, name)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o755); err != nil { // whatever the umask
		f.Close()
		return nil, err
	}
	return f, nil
}

func syncPath(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// Removal is which volume to remove.
type Removal struct {
	Name string
	// Force removes one that is damaged, too.
	Force bool
	// Used is asked, while nobody can take hold of the volume, whether a
	// container needs it that does not run; it says so with ErrInUse.
	Used func() error
}

// Remove removes a volume with its files; ErrInUse while a container has it.
func (s *Store) Remove(r Removal) error {
	gone := filepath.Join(s.dir, gonePrefix+random(8))
	var v Volume
	err := s.editSoon(r.Name, func(dir int) (err error) {
		if v, err = read(dir, r.Name); err != nil && !(r.Force && errors.Is(err, ErrDamaged)) {
			return err
		}
		if held(dir) {
			return ErrInUse
		}
		if r.Used != nil {
			if err := r.Used(); err != nil {
				return err
			}
		}
		// From here on there is no such volume, whatever becomes of its files.
		return os.Rename(s.path(r.Name), gone)
	})
	if r.Force && errors.Is(err, ErrDamaged) { // nothing of it can be opened
		err = os.Rename(s.path(r.Name), gone)
	}
	switch {
	case errors.Is(err, ErrInUse):
		return problem.New("`safe-run ps -a` shows which container has it; remove that first", "volume %s cannot be removed: %w", r.Name, err)
	case err != nil:
		return err
	}
	return s.forget(gone, v)
}

// forget removes the files of a volume that is gone, and its quota.
func (s *Store) forget(gone string, v Volume) error {
	if err := removeTree(gone); err != nil {
		return problem.New("`safe-run volume prune` tries again", "volume %s is gone, but not all of its files: %w", v.Name, err)
	}
	if v.Size == 0 {
		return nil
	}
	dir, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if has, err := readLimit(dir, v.Project); err != nil || has.inodes > 0 {
		return nil //nolint:nilerr // quotas are off, or others count on it: nothing to give back
	}
	return dropProject(dir, v)
}

// Sweep removes what a killed process left half made or half removed.
func (s *Store) Sweep() error {
	names, err := s.entries()
	errs := []error{err}
	for _, name := range names {
		switch {
		case strings.HasPrefix(name, gonePrefix):
			errs = append(errs, s.sweepGone(name))
		case strings.HasPrefix(name, newPrefix):
			errs = append(errs, s.sweepNew(name))
		}
	}
	return errors.Join(errs...)
}

func (s *Store) sweepGone(name string) error {
	var v Volume
	if dir, err := unix.Open(s.path(name), unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0); err == nil {
		v = salvage(dir)
		unix.Close(dir)
	}
	return s.forget(s.path(name), v)
}

// sweepNew removes a volume that is not being made any more.
func (s *Store) sweepNew(name string) error {
	dir, err := unix.Open(s.path(name), unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return ignoreMissing(&os.PathError{Op: "open", Path: s.path(name), Err: err})
	}
	defer unix.Close(dir)
	taken, err := tryFlock(dir, unix.LOCK_EX)
	if err != nil || !taken || !s.still(name, dir) {
		return err
	}
	return s.forget(s.path(name), salvage(dir))
}

// salvage gives what is needed of a volume without a name to give its quota
// back.
func salvage(dir int) (v Volume) {
	f, err := openPlain(dir, dataDir)
	if err != nil {
		return v
	}
	defer f.Close()
	project, err := projectOf(f)
	if err != nil || project < firstProject || project >= firstProject+projects {
		return v
	}
	return Volume{Size: 1, Project: project}
}

// Orphans gives the volumes that were to go with a container that is gone.
func (s *Store) Orphans(known func(id string) bool) ([]string, error) {
	all, err := s.List()
	var names []string
	for _, l := range all {
		if l.Damage == nil && !l.Held && l.Container != "" && !known(l.Container) {
			names = append(names, l.Name)
		}
	}
	return names, err
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// deepest is how deep removeTree goes by itself. A container can make
// directories far deeper than a process may open, or a path can name.
const deepest = 64

// removeTree removes a directory and all below it, however deep.
func removeTree(path string) error {
	for range mostFlattened {
		err := os.RemoveAll(path)
		if err == nil {
			return nil
		}
		moved, ferr := flatten(path)
		if ferr != nil || moved == 0 {
			return errors.Join(err, ferr)
		}
	}
	return fmt.Errorf("%s: its directories are too deep", path)
}

const mostFlattened = 1 << 16

// flatten moves what lies deeper than deepest up to the top, and says how much
// that was.
func flatten(path string) (moved int, err error) {
	fd, err := unix.Open(path, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, ignoreMissing(&os.PathError{Op: "open", Path: path, Err: err})
	}
	top := os.NewFile(uintptr(fd), path)
	defer top.Close()
	err = lift(top, top, &moved, 0)
	return moved, err
}

// lift looks for directories at the depth deepest below dir.
func lift(top, dir *os.File, moved *int, depth int) error {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if depth == deepest {
			to := ".deep-" + random(8) + strconv.Itoa(*moved)
			if err := unix.Renameat(int(dir.Fd()), name, int(top.Fd()), to); err != nil {
				return os.NewSyscallError("renameat", err)
			}
			*moved++
			continue
		}
		next, err := openPlain(int(dir.Fd()), name)
		if err != nil {
			continue // no directory
		}
		err = lift(top, next, moved, depth+1)
		next.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func fdName(f *os.File) string { return strconv.Itoa(int(f.Fd())) }

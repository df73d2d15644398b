package ledger

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// names holds a hard link for each name that is taken. It cannot be taken for a
// container: its own name is no id.
func (l *Ledger) names() string { return filepath.Join(l.dir, "names") }

// holder gives the id that has a name.
func (l *Ledger) holder(name string) (string, bool) {
	if !ValidName(name) {
		return "", false
	}
	dir, err := unix.Open(l.names(), unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", false
	}
	defer unix.Close(dir)
	id, err := readFile(dir, name)
	return string(id), err == nil && ValidID(string(id))
}

// Taken says whether a container of the ledger has a name.
func (l *Ledger) Taken(name string) bool {
	id, ok := l.holder(name)
	if !ok {
		return false
	}
	_, err := os.Lstat(l.Dir(id))
	return err == nil
}

// claim takes a name whole or not at all (link(2)).
func (l *Ledger) claim(name, id string) error {
	file := filepath.Join(l.Dir(id), claimFile)
	if _, err := os.Lstat(file); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(file, []byte(id), 0o600); err != nil {
			return err
		}
	}
	path := filepath.Join(l.names(), name)
	err := os.Link(file, path)
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := l.freeName(name); err != nil {
		return err
	}
	if err = os.Link(file, path); !errors.Is(err, os.ErrExist) {
		return err
	}
	return problem.New("choose another --name, or remove the one that has it: safe-run rm -f "+name, "name %q is in use", name)
}

// freeName gives a name back that nobody has any more: whoever had it was killed
// while it was made, renamed or removed.
func (l *Ledger) freeName(name string) error {
	id, ok := l.holder(name)
	if !ok {
		return nil
	}
	if l.halfMade(id) {
		if _, err := l.abandoned(id); err != nil {
			return err
		}
	}
	if !l.Taken(name) {
		return l.unclaim(name, id)
	}
	dir, err := l.openDir(id)
	if err != nil {
		return nil // a person decides
	}
	defer unix.Close(dir)
	if c, err := readContainer(dir, id); err != nil || c.Name == name {
		return nil
	}
	// Its container has another name: one that is just being renamed is locked.
	lock, err := takeLock(dir, editByte)
	if err != nil {
		return nil
	}
	defer lock.Close()
	if c, err := readContainer(dir, id); err != nil || c.Name == name {
		return nil
	}
	return l.unclaim(name, id)
}

// unclaim gives a name back when id has it. Those who do take turns: one who
// read the file just before another removed it would take the name from
// whoever came next.
func (l *Ledger) unclaim(name, id string) error {
	if !ValidName(name) {
		return nil
	}
	dir, err := os.Open(l.names())
	if err != nil {
		return ignoreMissing(err)
	}
	defer dir.Close() // and unlocks
	for {
		err := unix.Flock(int(dir.Fd()), unix.LOCK_EX)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("flock", err)
		}
	}
	if has, _ := l.holder(name); has != id {
		return nil
	}
	return ignoreMissing(os.Remove(filepath.Join(l.names(), name)))
}

// releaseNames gives back the names of containers that are gone, with free.
func (l *Ledger) releaseNames(free func(name string) error) error {
	entries, err := os.ReadDir(l.names())
	errs := []error{err}
	for _, e := range entries {
		errs = append(errs, free(e.Name()))
	}
	return errors.Join(errs...)
}

// freeGone gives a name back whose container is gone.
func (l *Ledger) freeGone(name string) error {
	if id, ok := l.holder(name); ok && !l.Taken(name) {
		return l.unclaim(name, id)
	}
	return nil
}

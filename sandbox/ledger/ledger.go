// Package ledger keeps what outlives a container: what it was, how it ended,
// and its log. A container has a directory:
//
//	ID/container.json  what it is; written when it is made
//	ID/state.json      how it is
//	ID/log/            what it wrote
//	ID/lock            locked by the supervisor for as long as it lives
//	ID/id              what names/NAME is a hard link to
//
// Files are replaced whole: written anew, fsync(2), rename(2). What a file says
// is believed only as far as the lock agrees: a container that "runs" without a
// supervisor is dead.
package ledger

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// DefaultDir is where the ledger is kept. It survives a reboot.
const DefaultDir = "/var/lib/safe-run/containers"

// DirVariable names another directory.
const DirVariable = "SAFE_RUN_LEDGER"

// ErrNotFound says that no container is meant.
var ErrNotFound = errors.New("no such container")

// ErrDamaged says that what the ledger has of a container cannot be read.
var ErrDamaged = errors.New("its record is damaged")

// ErrRunning says that a container has a supervisor.
var ErrRunning = errors.New("it runs")

// Ledger is a directory of containers.
type Ledger struct{ dir string }

// Open opens the ledger in dir, and makes it when it is missing. An empty dir is
// the one that SAFE_RUN_LEDGER names, or DefaultDir. Nobody but its owner may
// look into it: environments and command lines hold secrets.
func Open(dir string) (*Ledger, error) {
	l := &Ledger{dir: ledgerDir(dir)}
	for _, dir := range []string{l.dir, l.names()} {
		if err := private(dir); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func ledgerDir(dir string) string { return cmp.Or(dir, os.Getenv(DirVariable), DefaultDir) }

// private makes dir when it is missing, and closes it to others.
func private(dir string) error {
	const hint = "run safe-run as root"
	info, err := os.Lstat(dir)
	if errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return problem.New(hint, "cannot make the ledger: %w", err)
		}
		info, err = os.Lstat(dir)
	}
	if err != nil {
		return problem.New(hint, "cannot open the ledger: %w", err)
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	switch {
	case !info.IsDir():
		return problem.New("move it away", "the ledger is no directory: %s", dir)
	case os.Geteuid() != int(owner) && os.Geteuid() == 0:
		return problem.New("chown root "+dir+", when you know what is in it", "the ledger belongs to somebody else: %s", dir)
	case os.Geteuid() != int(owner):
		return problem.New(hint, "cannot open the ledger: %w", &os.PathError{Op: "open", Path: dir, Err: os.ErrPermission})
	case info.Mode().Perm()&0o077 != 0:
		return os.Chmod(dir, 0o700)
	}
	return nil
}

// Dir is the directory of one container.
func (l *Ledger) Dir(id string) string { return filepath.Join(l.dir, id) }

// LogDir is where what it writes is kept.
func (l *Ledger) LogDir(id string) string { return filepath.Join(l.Dir(id), logDir) }

// The files of a container.
const (
	containerFile = "container.json"
	stateFile     = "state.json"
	lockFile      = "lock"
	claimFile     = "id"
	logDir        = "log"
)

// Listed is one container of a list.
type Listed struct {
	Container
	State State
	// Damage says why the record cannot be read; nothing but the id, and
	// perhaps the time, is known then.
	Damage error
}

// List gives all containers, the newest first.
func (l *Ledger) List() ([]Listed, error) {
	ids, err := l.IDs()
	if err != nil {
		return nil, err
	}
	found := make([]*Listed, len(ids))
	var next atomic.Int64
	var readers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(ids)/32+1) {
		readers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(ids); i = int(next.Add(1)) - 1 {
				found[i] = l.listed(ids[i])
			}
		})
	}
	readers.Wait()
	out := make([]Listed, 0, len(ids))
	for _, one := range found {
		if one != nil {
			out = append(out, *one)
		}
	}
	slices.SortStableFunc(out, func(a, b Listed) int { return b.Created.Compare(a.Created) })
	return out, nil
}

// listed is one container of a list; nil for what has been removed, or is not made
// yet.
func (l *Ledger) listed(id string) *Listed {
	c, s, err := l.Get(id)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		c, s = Container{ID: id, Name: id[:shortID], Created: l.changed(id)}, State{Status: Dead}
	}
	return &Listed{c, s, err}
}

// shortID is as much of an id as people need.
const shortID = 12

// IDs gives the id of every container that there is anything of.
func (l *Ledger) IDs() ([]string, error) {
	dir, err := os.Open(l.dir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	return slices.DeleteFunc(names, func(name string) bool { return !ValidID(name) }), err
}

// changed is when a container's directory was last changed.
func (l *Ledger) changed(id string) time.Time {
	info, err := os.Lstat(l.Dir(id))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime().UTC()
}

// Get gives a container by its whole id, and the truth of how it is.
func (l *Ledger) Get(id string) (Container, State, error) {
	dir, err := l.openDir(id)
	if err != nil {
		return Container{}, State{}, err
	}
	defer unix.Close(dir)
	c, err := readContainer(dir, id)
	if errors.Is(err, os.ErrNotExist) {
		if (held(dir) || l.young(id)) && l.halfMade(id) {
			return c, State{}, ErrNotFound // it is just being made
		}
		err = damaged(id, "it was not made to the end")
	}
	if err != nil {
		return Container{ID: id}, State{Status: Dead}, err
	}
	return c, readState(dir), nil
}

// openDir opens a container's directory, and no link to one.
func (l *Ledger) openDir(id string) (int, error) {
	if !ValidID(id) {
		return -1, notFound(id)
	}
	fd, err := unix.Open(l.Dir(id), unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		return -1, notFound(id)
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return -1, damaged(id, "it is no directory")
	case err != nil:
		return -1, &os.PathError{Op: "open", Path: l.Dir(id), Err: err}
	}
	return fd, nil
}

// readState gives how a container is. Without a supervisor where there ought to
// be one, it is dead.
func readState(dir int) State {
	s, err := loadState(dir)
	if (err != nil || s.Status.Active()) && !errors.Is(err, os.ErrNotExist) && held(dir) {
		if err != nil {
			s = State{Status: Running}
		}
		return s
	}
	s, _ = settledState(dir)
	return s
}

// settledState is how a container without a supervisor is, and whether what is
// written down says something else.
func settledState(dir int) (_ State, stale bool) {
	s, err := loadState(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return State{Status: Created}, false
	case err != nil:
		return State{Status: Dead, ExitCode: killedCode, Cause: "how it was is not known: " + err.Error()}, true
	case s.Status.Active():
		return s.died(), true
	}
	return s, false
}

// killedCode is the exit code of a container that ended with its supervisor.
const killedCode = 137

// died is s of a container whose supervisor is gone.
func (s State) died() State {
	s.Status, s.Pid, s.PidStart, s.Health = Dead, 0, 0, ""
	s.ExitCode = killedCode
	s.Cause, s.Hint = "its supervisor was killed, and the container with it", "start it again: safe-run start"
	return s
}

// young says whether a container was begun within the last minute, as far as the
// clock can be believed. It decides what is shown, not what is removed.
func (l *Ledger) young(id string) bool { return time.Since(l.changed(id)).Abs() < time.Minute }

func damaged(id, why string) error {
	return problem.New("remove it: safe-run rm -f "+id[:shortID], "container %s: %w: %s", id[:shortID], ErrDamaged, why)
}

// Remove forgets a container; ErrRunning while it has a supervisor.
func (l *Ledger) Remove(id string) error {
	dir, err := l.openDir(id)
	switch {
	case errors.Is(err, ErrDamaged):
		return os.Remove(l.Dir(id)) // a link or a file, in place of a directory
	case err != nil:
		return err
	}
	defer unix.Close(dir)
	lock, err := takeLock(dir, supervisorByte)
	if err != nil && !errors.Is(err, errNoLock) {
		return err
	}
	defer lock.Close() // of nil too
	c, _ := readContainer(dir, id)
	// From here on there is no such container, whatever becomes of its files.
	gone := filepath.Join(l.dir, gonePrefix+id)
	if err := os.Rename(l.Dir(id), gone); err != nil {
		return err
	}
	err = errors.Join(l.unclaim(c.Name, id), os.RemoveAll(gone))
	if c.Name == "" {
		err = errors.Join(err, l.releaseNames(l.freeGone))
	}
	return err
}

// gonePrefix begins the name of a directory that is being removed.
const gonePrefix = ".gone-"

package ledger

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// Entry is a container whose supervisor is this process.
type Entry struct {
	Container
	ledger *Ledger
	dir    int
	lock   *os.File
	state  State
	stale  bool // state.json says something else than state
}

// Create makes a container, in state created, and this process its supervisor.
// An empty name becomes the first digits of the id.
func (l *Ledger) Create(c Container) (_ *Entry, err error) {
	if !ValidID(c.ID) {
		return nil, problem.New("", "%.80q is not a container's id", c.ID)
	}
	if c.Name == "" {
		c.Name = c.ID[:shortID]
	}
	if !ValidName(c.Name) {
		return nil, problem.New("use letters, digits, '_', '.' and '-', at most 63", "name %.80q cannot be used", c.Name)
	}
	c.Log = c.Log.orDefault()
	e := &Entry{Container: c, ledger: l, dir: -1}
	if err := e.begin(); err != nil {
		return nil, noRoom(err)
	}
	defer func() {
		if err != nil {
			e.Close()
			err = errors.Join(noRoom(err), ignoreMissing(l.unclaim(c.Name, c.ID)), os.RemoveAll(l.Dir(c.ID)))
		}
	}()
	if err := l.claim(c.Name, c.ID); err != nil {
		return nil, err
	}
	if err := os.Mkdir(l.LogDir(c.ID), 0o700); err != nil {
		return nil, err
	}
	if err := reserve(e.dir); err != nil {
		return nil, err
	}
	e.state = State{Status: Created} // as without a state.json
	// Last, because with it there is a container.
	if err := writeContainer(e.dir, c); err != nil {
		return nil, err
	}
	return e, syncPath(l.dir)
}

// begin makes the container's directory and locks it. Whoever judges directories
// that nobody has locked waits for that; see abandoned.
func (e *Entry) begin() error {
	making, err := e.ledger.making(unix.LOCK_SH)
	if err != nil {
		return err
	}
	defer making.Close()
	if err := os.Mkdir(e.ledger.Dir(e.ID), 0o700); err != nil {
		return err
	}
	if e.dir, err = e.ledger.openDir(e.ID); err == nil {
		e.lock, err = takeLock(e.dir, supervisorByte)
	}
	if err != nil {
		e.Close()
		err = errors.Join(err, os.RemoveAll(e.ledger.Dir(e.ID)))
	}
	return err
}

// Adopt makes this process the supervisor of a container that has none;
// ErrRunning when it has one.
func (l *Ledger) Adopt(id string) (*Entry, error) {
	dir, err := l.openDir(id)
	if err != nil {
		return nil, err
	}
	e := &Entry{ledger: l, dir: dir}
	e.lock, err = takeLock(dir, supervisorByte)
	if errors.Is(err, errNoLock) {
		err = damaged(id, err.Error())
	}
	if err == nil {
		e.Container, err = readContainer(dir, id)
	}
	if err == nil {
		e.state, e.stale = settledState(dir)
		// It may have been removed just before it was locked.
		_, err = os.Lstat(l.Dir(id))
	}
	if err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// State is how the container is: when this process took it over, or as it was
// last set.
func (e *Entry) State() State { return e.state }

// SetState writes down how the container is.
func (e *Entry) SetState(s State) error {
	lock, err := waitLock(e.dir, editByte, editPatience) // see Change
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := writeState(e.dir, s); err != nil {
		return err
	}
	e.state, e.stale = s, false
	return nil
}

// LogDir is where what the container writes is kept.
func (e *Entry) LogDir() string { return e.ledger.LogDir(e.ID) }

// Close lets go of the container: it has no supervisor from here on.
func (e *Entry) Close() error {
	var err error
	if e.lock != nil {
		err = e.lock.Close()
		e.lock = nil
	}
	if e.dir >= 0 {
		unix.Close(e.dir)
		e.dir = -1
	}
	return err
}

// Remove forgets the container and closes the entry.
func (e *Entry) Remove() error {
	if err := e.Close(); err != nil {
		return err
	}
	return e.ledger.Remove(e.ID)
}

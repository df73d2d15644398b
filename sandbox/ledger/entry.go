package ledger

import (
	"encoding/json"
	"errors"
	"os"
	"time"

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
	if err := os.Mkdir(l.Dir(c.ID), 0o700); err != nil {
		return nil, err
	}
	e := &Entry{Container: c, ledger: l, dir: -1}
	defer func() {
		if err != nil {
			e.Close()
			err = errors.Join(err, ignoreMissing(l.unclaim(c.Name, c.ID)), os.RemoveAll(l.Dir(c.ID)))
		}
	}()
	if e.dir, err = l.openDir(c.ID); err != nil {
		return nil, err
	}
	if e.lock, err = takeLock(e.dir, supervisorByte); err != nil {
		return nil, err
	}
	if err := l.claim(c.Name, c.ID); err != nil {
		return nil, err
	}
	if err := os.Mkdir(l.LogDir(c.ID), 0o700); err != nil {
		return nil, err
	}
	e.state = State{Status: Created} // as without a state.json
	// Last, because with it there is a container.
	if err := writeContainer(e.dir, c); err != nil {
		return nil, err
	}
	return e, syncPath(l.dir)
}

// Adopt makes this process the supervisor of a container that has none;
// ErrRunning when it has one.
func (l *Ledger) Adopt(id string) (*Entry, error) {
	dir, err := l.openDir(id)
	if err != nil {
		return nil, err
	}
	e := &Entry{ledger: l, dir: dir}
	if e.lock, err = takeLock(dir, supervisorByte); err == nil {
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

// Change changes how a container is, from another process than its supervisor:
// that it has been paused, or stopped by a person. Changes take turns.
func (l *Ledger) Change(id string, change func(*State) error) error {
	return l.edit(id, func(dir int) error {
		s, err := loadState(dir)
		if err == nil {
			err = change(&s)
		}
		if err != nil {
			return err
		}
		return writeState(dir, s)
	})
}

// Update changes what a container is; its id and name stay. See Rename.
func (l *Ledger) Update(id string, change func(*Container) error) error {
	return l.edit(id, func(dir int) error {
		c, err := readContainer(dir, id)
		if err != nil {
			return err
		}
		name := c.Name
		if err := change(&c); err != nil {
			return err
		}
		c.ID, c.Name = id, name
		return writeContainer(dir, c)
	})
}

// Rename gives a container another name.
func (l *Ledger) Rename(id, name string) error {
	if !ValidName(name) {
		return problem.New("use letters, digits, '_', '.' and '-', at most 63", "name %.80q cannot be used", name)
	}
	return l.edit(id, func(dir int) error {
		c, err := readContainer(dir, id)
		if err != nil {
			return err
		}
		old := c.Name
		if old == name {
			return problem.New("choose another", "its name is %q already", name)
		}
		if err := l.claim(name, id); err != nil {
			return err
		}
		c.Name = name
		if err := writeContainer(dir, c); err != nil {
			return errors.Join(err, l.unclaim(name, id))
		}
		return l.unclaim(old, id)
	})
}

// edit lets one process at a time change the files of a container.
func (l *Ledger) edit(id string, change func(dir int) error) error {
	dir, err := l.openDir(id)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	lock, err := waitLock(dir, editByte, 10*time.Second)
	if err != nil {
		return err
	}
	defer lock.Close()
	return change(dir)
}

func writeContainer(dir int, c Container) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if len(data) > maxRecord {
		return problem.New("write long values into a file that you mount", "the command line is too long to keep")
	}
	return replace(dir, containerFile, data)
}

func writeState(dir int, s State) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return replace(dir, stateFile, data)
}

// readContainer reads what a container is; its damage is an ErrDamaged.
func readContainer(dir int, id string) (Container, error) {
	data, err := readFile(dir, containerFile)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return Container{}, err
		}
		return Container{}, damaged(id, err.Error())
	}
	c, err := parseContainer(data, id)
	if err != nil {
		return Container{}, damaged(id, err.Error())
	}
	return c, nil
}

func loadState(dir int) (State, error) {
	data, err := readFile(dir, stateFile)
	if err != nil {
		return State{}, err
	}
	return parseState(data)
}

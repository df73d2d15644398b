package ledger

import (
	"encoding/json"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

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

// editPatience bounds the wait for others who change a container.
const editPatience = 10 * time.Second

// edit lets one process at a time change the files of a container.
func (l *Ledger) edit(id string, change func(dir int) error) error {
	dir, err := l.openDir(id)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	lock, err := waitLock(dir, editByte, editPatience)
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

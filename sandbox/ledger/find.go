package ledger

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// Find gives the container that ref means: its name, its id, or the beginning
// of its id that no other has.
func (l *Ledger) Find(ref string) (Container, State, error) {
	id, err := l.Resolve(ref)
	if err != nil {
		return Container{}, State{}, err
	}
	c, s, err := l.Get(id)
	if errors.Is(err, ErrNotFound) {
		err = notFound(ref)
	}
	return c, s, err
}

// Resolve gives the id that ref means, also when the record is damaged.
func (l *Ledger) Resolve(ref string) (string, error) {
	if id, ok := l.holder(ref); ok {
		return id, nil
	}
	if ValidID(ref) {
		if _, err := os.Lstat(l.Dir(ref)); err == nil {
			return ref, nil
		}
		return "", notFound(ref)
	}
	if !hexadecimal(ref) {
		return "", notFound(ref)
	}
	ids, err := l.IDs()
	if err != nil {
		return "", err
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return !strings.HasPrefix(id, ref) })
	switch len(ids) {
	case 0:
		return "", notFound(ref)
	case 1:
		return ids[0], nil
	}
	return "", problem.New("type more digits, or the name", "%q is the beginning of %d containers' ids", ref, len(ids))
}

func notFound(ref string) error {
	return problem.New("`safe-run ps -a` lists them", "%.80q: %w", ref, ErrNotFound)
}

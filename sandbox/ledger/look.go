package ledger

import (
	"errors"
	"io/fs"
	"os"
)

// Look lists the containers of a ledger as List does, and makes nothing. Where
// there is none, or one that this user may not see, there are no containers.
func Look(dir string) ([]Listed, error) {
	l, err := There(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := l.List()
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	return all, err
}

// There is a ledger that is there: it is not made where it is missing, for one
// who only comes to tidy up.
func There(dir string) (*Ledger, error) {
	l := &Ledger{dir: ledgerDir(dir)}
	_, err := os.Lstat(l.dir)
	return l, err
}

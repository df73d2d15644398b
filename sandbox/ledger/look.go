package ledger

import (
	"errors"
	"io/fs"
	"os"
)

// Look lists the containers of a ledger as List does, and makes nothing. Where
// there is none, or one that this user may not see, there are no containers.
func Look(dir string) ([]Listed, error) {
	l := &Ledger{dir: ledgerDir(dir)}
	if _, err := os.Lstat(l.dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	all, err := l.List()
	if errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	return all, err
}

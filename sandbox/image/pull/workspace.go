package pull

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image"
)

// workspace is a directory below the store's tmp. Its flock says that somebody
// is at work in it: without one it is what a killed process left behind.
type workspace struct {
	dir  string
	lock *os.File
}

// newWorkspace makes a directory to work in. The store's tmp is locked while
// it is made, so that nobody sweeps it before it has a lock of its own.
func newWorkspace(ctx context.Context, s *image.Store) (*workspace, error) {
	tmp, err := lockTmp(ctx, s)
	if err != nil {
		return nil, err
	}
	defer tmp.Close()
	dir, err := os.MkdirTemp(s.Tmp(), "pull-")
	if err != nil {
		return nil, err
	}
	lock, err := os.Open(dir)
	if err == nil {
		if err = image.Flock(ctx, lock, unix.LOCK_EX); err != nil {
			lock.Close()
		}
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &workspace{dir: dir, lock: lock}, nil
}

func lockTmp(ctx context.Context, s *image.Store) (*os.File, error) {
	tmp, err := os.Open(s.Tmp())
	if err != nil {
		return nil, err
	}
	if err := image.Flock(ctx, tmp, unix.LOCK_EX); err != nil {
		tmp.Close()
		return nil, err
	}
	return tmp, nil
}

// remove removes what is left of the work. What it cannot remove is swept
// later.
func (w *workspace) remove() {
	_ = os.RemoveAll(w.dir)
	w.lock.Close()
}

// file makes a file to read and write that has no name and needs no removing.
func (w *workspace) file(name string) (*os.File, error) {
	path := filepath.Join(w.dir, name)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return f, os.Remove(path)
}

// named makes a file that is renamed into the store.
func (w *workspace) named(pattern string) (*os.File, error) {
	return os.CreateTemp(w.dir, pattern)
}

// discard removes what an earlier attempt has left under name.
func (w *workspace) discard(name string) error {
	return os.RemoveAll(filepath.Join(w.dir, name))
}

// mkdir makes a directory of exactly this mode.
func (w *workspace) mkdir(name string, mode fs.FileMode) (string, error) {
	path := filepath.Join(w.dir, name)
	if err := os.Mkdir(path, mode); err != nil {
		return "", err
	}
	return path, os.Chmod(path, mode) // whatever the umask
}

// sweep removes the workspaces of processes that were killed. The trees may be
// large, so they are removed while only their own locks are held.
func sweep(ctx context.Context, s *image.Store) error {
	left, err := abandoned(ctx, s)
	if err != nil {
		return fmt.Errorf("tidy up %s: %w", s.Tmp(), err)
	}
	for _, w := range left {
		err = errors.Join(err, os.RemoveAll(w.dir))
		w.lock.Close()
	}
	if err != nil {
		return fmt.Errorf("tidy up %s: %w", s.Tmp(), err)
	}
	return nil
}

func abandoned(ctx context.Context, s *image.Store) ([]*workspace, error) {
	tmp, err := lockTmp(ctx, s)
	if err != nil {
		return nil, err
	}
	defer tmp.Close()
	entries, err := os.ReadDir(s.Tmp())
	if err != nil {
		return nil, err
	}
	var left []*workspace
	for _, e := range entries {
		dir := filepath.Join(s.Tmp(), e.Name())
		lock, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if err != nil {
			continue // not a workspace, or gone meanwhile
		}
		if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
			lock.Close()
			continue
		}
		left = append(left, &workspace{dir: dir, lock: lock})
	}
	return left, nil
}

// Package install puts configuration of others into a tree of files and takes it
// out again: each file whole or not at all, and nothing that somebody has changed
// since.
package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/safe-run/safe-run/spec/problem"
)

// largest bounds what is read: configuration is small.
const largest = 1 << 20

// Tree is what all paths are below of; no symbolic link leads out of it.
type Tree struct {
	root *os.Root
	name string
}

// Open opens a tree, which is there.
func Open(name string) (*Tree, error) {
	root, err := os.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, problem.New("make the directory first", "%w", err)
	}
	if err != nil {
		return nil, err
	}
	return &Tree{root: root, name: name}, nil
}

// Close lets the tree go.
func (t *Tree) Close() error { return t.root.Close() }

// below makes a path of the tree of an absolute one.
func below(name string) string { return strings.TrimPrefix(path.Clean(name), "/") }

// read gives a file's content; nil when there is none.
func (t *Tree) read(name string) ([]byte, error) {
	info, err := t.root.Lstat(below(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, problem.New("put a plain file in its place", "%s is no plain file", name)
	case info.Size() > largest:
		return nil, fmt.Errorf("%s has %d bytes, more than a configuration", name, info.Size())
	}
	data, err := t.root.ReadFile(below(name))
	if data == nil && err == nil {
		data = []byte{}
	}
	return data, err
}

// write puts a file in place, whole and on the disk: it is written elsewhere
// first, because engines read whatever is beside their configuration, and
// renamed. One that is there keeps its owner and mode. Without data the file is
// removed.
func (t *Tree) write(name, staging string, data []byte) error {
	if data == nil {
		err := t.root.Remove(below(name))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	}
	f, err := t.root.OpenFile(below(staging), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if path.Dir(name) == installed {
		mode = 0o600 // it holds what was in files that may not be everybody's
	}
	info, err := t.root.Lstat(below(name))
	if err == nil {
		mode = info.Mode().Perm()
		was := info.Sys().(*syscall.Stat_t)
		err = f.Chown(int(was.Uid), int(was.Gid))
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	_, failed := f.Write(data)
	if err = errors.Join(err, failed, f.Chmod(mode), f.Sync(), f.Close()); err == nil {
		err = t.root.Rename(below(staging), below(name))
	}
	if err != nil {
		_ = t.root.Remove(below(staging)) // the next one would write over it
		return err
	}
	return t.sync(path.Dir(name))
}

// sync waits until the names in a directory are on the disk.
func (t *Tree) sync(dir string) error {
	f, err := t.root.Open(below(dir))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// missing are the directories of a file that are not there, the highest first.
func (t *Tree) missing(name string) ([]string, error) {
	var all []string
	for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
		_, err := t.root.Stat(below(dir))
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		all = append([]string{dir}, all...)
	}
	return all, nil
}

// lock keeps a second installation out. The directory of manifests is there.
func (t *Tree) lock() (release func(), err error) {
	f, err := t.root.Open(below(installed))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(problem.New("wait for it", "another installation is going on below %s: %w", t.name, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

package rootfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// look gives a view of the merged image with its own ids, which ends when it
// is closed. The kernel merges it, as it will for the container, but in a
// mount that is attached nowhere.
func (s *stack) look(dir string) (*os.Root, error) {
	if len(s.layers) == 1 {
		return openImage(s.layers[0].dir)
	}
	o := overlay{lower: s.topmostFirst()}
	if hasLayerOptions() {
		mount, err := o.detached()
		if err != nil {
			return nil, err
		}
		// The mount lives on in the root that is opened of it.
		defer closeBeside(mount)
		return openImage(mount)
	}
	at := filepath.Join(dir, "look")
	if err := os.Mkdir(at, 0o711); err != nil {
		return nil, err
	}
	if err := o.mountData(at); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(at)
	if err != nil {
		return nil, problem.New("", "the image's root cannot be opened: %w", err)
	}
	if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
		root.Close()
		return nil, os.NewSyscallError("umount", err)
	}
	return root, nil
}

// closeBeside closes a mount that is attached nowhere, or the last file of one, and
// does not wait: the kernel gives it up after a grace period of RCU
// (namespace_unlock in fs/namespace.c), which on a busy host is milliseconds.
func closeBeside(c io.Closer) { go c.Close() }

func openImage(dir *os.File) (*os.Root, error) {
	root, err := os.OpenRoot(procPath(dir))
	if err != nil {
		return nil, problem.New("", "the image's root cannot be opened: %w", err)
	}
	return root, nil
}

// Look opens the directory that the image of plan has at path, with the ids
// that are written there, before anything is assembled; nil when it has none.
// Links are followed inside of the image. It must run on a Thread; dir is a
// place for a directory, which older kernels need.
func Look(plan spec.Rootfs, dir, path string) (*os.Root, error) {
	if plan.Source == "" && len(plan.Layers) == 0 {
		return nil, nil
	}
	image, err := openStack(plan)
	if err != nil {
		return nil, err
	}
	defer image.Close()
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, err
	}
	if dir, err = os.MkdirTemp(dir, "look"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	root, err := image.look(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	at, err := resolve(root, clean(path))
	if err != nil {
		return nil, err
	}
	info, err := root.Lstat(at)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || err == nil && !info.IsDir() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return root.OpenRoot(at)
}

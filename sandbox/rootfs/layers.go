package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// stack is an image's layers, lowest first, and the directories they lie in.
type stack struct {
	bases  []*os.File
	layers []layer
}

// layer is one directory of an image: what name is in base.
type layer struct {
	path string
	base int
	name string
	dir  *os.File
	id   identity
}

// identity tells a directory from every other.
type identity struct{ dev, ino uint64 }

// openStack opens the layers of plan as the host has them; a source is its own
// only layer. A path was resolved when the image was opened, so that a link in
// it now has been put there since.
func openStack(plan spec.Rootfs) (_ *stack, err error) {
	s := &stack{}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if plan.Source != "" {
		base, err := openSource(plan.Source)
		if err != nil {
			return nil, err
		}
		s.bases = []*os.File{base}
		s.layers = []layer{{path: plan.Source, name: "."}}
		return s, s.open(s.bases)
	}
	// The layers of a store lie in one directory, which is opened, cloned and
	// idmapped once for all of them.
	known := map[string]int{}
	for _, path := range plan.Layers {
		parent, name := filepath.Split(path)
		base, ok := known[parent]
		if !ok {
			dir, err := openBase(filepath.Clean(parent))
			if err != nil {
				return nil, err
			}
			base = len(s.bases)
			known[parent], s.bases = base, append(s.bases, dir)
		}
		s.layers = append(s.layers, layer{path: path, base: base, name: name})
	}
	return s, s.open(s.bases)
}

// openSource opens the tree of an image that is one directory.
func openSource(path string) (*os.File, error) {
	f, err := openPlain(unix.AT_FDCWD, path, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return nil, problem.New("run it again, and see who may write to the directories above", "the image's root %s has changed since it was opened: %w", path, err)
	}
	return f, nil
}

// openBase opens a directory that layers lie in.
func openBase(path string) (*os.File, error) {
	f, err := openPlain(unix.AT_FDCWD, path, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return nil, layerProblem(path, err)
	}
	return f, nil
}

// openPlain opens a directory, only to name it.
func openPlain(at int, path string, resolve uint64) (*os.File, error) {
	fd, err := unix.Openat2(at, path, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: resolve,
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// open opens every layer below bases, which are the stack's own or clones of
// them. A layer is a directory on the same mount: no link, and nothing that
// was mounted over it, which a clone does not have. It must be the one that
// was opened before.
func (s *stack) open(bases []*os.File) error {
	for i := range s.layers {
		l := &s.layers[i]
		dir, err := openPlain(int(bases[l.base].Fd()), l.name, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_XDEV)
		if err != nil {
			return layerProblem(l.path, err)
		}
		l.close()
		l.dir = dir
		id, err := identify(dir)
		if err != nil {
			return layerProblem(l.path, err)
		}
		if l.id != (identity{}) && l.id != id {
			return layerProblem(l.path, errors.New("another directory is there now"))
		}
		l.id = id
	}
	return nil
}

func identify(dir *os.File) (identity, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return identity{}, err
	}
	return identity{uint64(st.Dev), st.Ino}, nil
}

// layerProblem says in one line that a layer is not what the image's record
// says; a pull puts it right.
func layerProblem(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return problem.New("safe-run image pull IMAGE", "layer %s of the image has been removed", path)
	}
	return problem.New("safe-run image pull IMAGE, and see who may write to the directories above",
		"layer %s of the image has changed since it was opened: %w", path, err)
}

// clone mounts the stack's bases below dir with the ids of ns when it is not
// nil, and opens the layers there.
func (s *stack) clone(dir string, ns *os.File) error {
	trees := make([]*os.File, len(s.bases))
	defer closeAll(trees)
	for i, base := range s.bases {
		var err error
		if trees[i], err = cloneTree(base, ns); err != nil {
			return idmapProblem(base.Name(), ns, err)
		}
		// Attached before its directories become layers: overlayfs refuses
		// layers on detached mounts before Linux 6.15.
		at := filepath.Join(dir, fmt.Sprintf("image%d", i))
		if err := attach(trees[i], at); err != nil {
			return err
		}
	}
	return s.open(trees)
}

// attach moves a detached mount to a new directory.
func attach(mount *os.File, at string) error {
	if err := os.Mkdir(at, 0o711); err != nil {
		return err
	}
	if err := unix.MoveMount(int(mount.Fd()), "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("move_mount %s: %w", at, err)
	}
	return nil
}

// topmostFirst gives the layers' directories in the order of overlayfs.
func (s *stack) topmostFirst() []*os.File {
	dirs := make([]*os.File, len(s.layers))
	for i, l := range s.layers {
		dirs[len(dirs)-1-i] = l.dir
	}
	return dirs
}

func (l *layer) close() {
	if l.dir != nil {
		l.dir.Close()
		l.dir = nil
	}
}

// Close closes every descriptor.
func (s *stack) Close() {
	for i := range s.layers {
		s.layers[i].close()
	}
	closeAll(s.bases)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

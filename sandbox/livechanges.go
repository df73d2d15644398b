package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/copy"
	"github.com/safe-run/safe-run/sandbox/image/view"
	"github.com/safe-run/safe-run/sandbox/livediff"
	"github.com/safe-run/safe-run/spec/problem"
)

// Changes lists what is not as the image has it in the container's root; what
// is mounted in it does not count.
func (l *Live) Changes(ctx context.Context) ([]livediff.Change, error) {
	plan := l.Plan.Rootfs
	if plan.ReadOnly {
		return nil, nil // nothing can have been written
	}
	layer := livediff.Layer{Made: l.made()}
	layers, upper := plan.Layers, "upper"
	if plan.Source != "" {
		layers = []string{plan.Source}
	}
	if len(layers) == 0 {
		upper = "top"
	} else {
		image, err := view.Open(layers)
		if err != nil {
			return nil, problem.New("safe-run image pull IMAGE", "the image of %s cannot be looked at: %w", l.Name(), err)
		}
		defer image.Close()
		layer.Image = image
	}
	var ids copy.IDs
	if plan.IDMap {
		ids = copy.IDs{Users: mappings(l.Plan.OCI.Linux.UIDMappings), Groups: mappings(l.Plan.OCI.Linux.GIDMappings)}
	}
	layer.Number = ids.Inside
	var err error
	if layer.Upper, err = l.behindRoot(upper); err != nil {
		return nil, err
	}
	defer layer.Upper.Close()
	return layer.Find(ctx)
}

// made are the paths that were put into the root for the container, and those
// that lead to them.
func (l *Live) made() map[string]bool {
	made := map[string]bool{}
	note := func(name string) {
		name = strings.TrimPrefix(path.Clean("/"+name), "/")
		made[name] = true
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, known := made[dir]; !known {
				made[dir] = false
			}
		}
	}
	for _, name := range append(l.Plan.Rootfs.Dirs, l.Plan.Rootfs.FileMounts...) {
		note(name)
	}
	for _, f := range l.Plan.Rootfs.Files {
		note(f.Path)
	}
	return made
}

// behindRoot opens a directory that the container's root was put together from.
// Only one thread of the launcher sees it, in a mount namespace that the
// container's first process has left by changing its root.
func (l *Live) behindRoot(name string) (*os.File, error) {
	at := strings.TrimPrefix(l.store.RootfsDir(l.record.ID), "/")
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", l.record.Launcher))
	for _, task := range tasks {
		var root int
		if root, err = unix.Open(task+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			continue
		}
		var dir *os.File
		dir, err = openMounted(root, at, name)
		unix.Close(root)
		if err == nil && !l.record.Alive() {
			// The number is somebody else's, and so may the directory be.
			dir.Close()
			break
		}
		if err == nil {
			return dir, nil
		}
	}
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return nil, problem.New("run safe-run as root", "what %s has written cannot be looked at: %w", l.Name(), err)
	}
	return nil, problem.New("`safe-run ps -a` shows how it is", "what %s has written is not there any more: its launcher has ended", l.Name())
}

// errNotMounted says that a root was put together elsewhere.
var errNotMounted = errors.New("nothing is mounted there")

// openMounted opens the directory called name on what is mounted at, seen from
// root. The other threads of a launcher have the host's mounts, and see an empty
// directory where the mount is.
func openMounted(root int, at, name string) (*os.File, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	mounted, err := unix.Openat2(root, at, &how)
	if err != nil {
		return nil, err
	}
	defer unix.Close(mounted)
	above, err := unix.Openat2(root, path.Dir(at), &how)
	if err != nil {
		return nil, err
	}
	defer unix.Close(above)
	var here, there unix.Stat_t
	if err := errors.Join(unix.Fstat(mounted, &here), unix.Fstat(above, &there)); err != nil {
		return nil, err
	}
	if here.Dev == there.Dev { // a tmpfs has a number of its own
		return nil, errNotMounted
	}
	fd, err := unix.Openat2(mounted, name, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

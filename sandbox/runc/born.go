package runc

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"
)

// born is the manager of control groups of version 1 whose container's init is
// forked in them, by a thread that has gone into them before, instead of being moved
// there.
//
// Moving a process takes the kernel's cgroup_threadgroup_rwsem for writing, whose
// first writer waits for an RCU grace period; a thread that moves itself takes
// nothing of the kind (cgroup_procs_write_start). libcontainer knows no such way, but
// asks all that it wants of its groups of an interface, and this one answers that the
// process is there, when it is.
//
// The unified hierarchy beside version 1 is left alone: single threads cannot be
// moved in it, and it has no controllers. Where it matters all the same, MayBeBorn
// says no.
type born struct {
	cgroups.Manager
	path   string // of all groups, below the hierarchies
	groups []Group
	back   []int // the tasks files of the thread's own groups, while it is away
	// early is called once the limits are set, while init waits in its namespaces,
	// of which it makes no more; nil: nothing is.
	early func()
	moved atomic.Bool // the old way
}

// bear lets container's init be forked in groups, at path, by the calling thread,
// which must be locked to its goroutine; leave must follow. Where it cannot be,
// libcontainer moves it as ever.
func bear(container *libcontainer.Container, path string, groups []Group) *born {
	b := &born{path: filepath.Clean(path), groups: groups}
	field := managerField(container)
	if len(groups) == 0 || field == nil || *field == nil || !fillCpuset(groups) || !b.enter() {
		return b
	}
	b.Manager = *field
	*field = b
	return b
}

// managerField is where libcontainer keeps a container's manager; nil when that is
// elsewhere.
func managerField(container *libcontainer.Container) *cgroups.Manager {
	field := reflect.ValueOf(container).Elem().FieldByName("cgroupManager")
	if !field.IsValid() || field.Type() != reflect.TypeFor[cgroups.Manager]() {
		return nil
	}
	return (*cgroups.Manager)(unsafe.Pointer(field.UnsafeAddr())) //nolint:gosec // its type is the one that was asked for
}

// managerOf is the manager of a container's control groups: its own, because
// another one has to look for all hierarchies anew.
func managerOf(container *libcontainer.Container) (cgroups.Manager, error) {
	if own := managerField(container); own != nil && *own != nil {
		return *own, nil
	}
	config := container.Config()
	another, err := manager.New(config.Cgroups)
	if err != nil {
		return nil, fmt.Errorf("cgroup: %w", err)
	}
	return another, nil
}

// hierarchy is a group's hierarchy as /proc/PID/cgroup names it.
func (g Group) hierarchy() string {
	name, _, _ := strings.Cut(g.Name, ",")
	if name == "systemd" {
		return cgroups.CgroupNamePrefix + name
	}
	return name
}

// enter moves the thread, and says whether it is in all groups; it is in its own
// otherwise.
func (b *born) enter() bool {
	own, err := cgroups.ParseCgroupFile("/proc/thread-self/cgroup")
	if err != nil {
		return false
	}
	for _, g := range b.groups {
		at, known := own[g.hierarchy()]
		if !known {
			b.leave()
			return false
		}
		root := strings.TrimSuffix(g.Path, b.path)
		fd, err := unix.Open(filepath.Join(root, at, "tasks"), unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			b.back = append(b.back, fd)
			err = moveSelf(filepath.Join(g.Path, "tasks"))
		}
		if err != nil {
			b.leave()
			return false
		}
	}
	return true
}

// moveSelf moves the calling thread; 0 is the writer itself.
func moveSelf(tasks string) error {
	fd, err := unix.Open(tasks, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte("0"))
	return err
}

// leave moves the thread back to where it was; again, it does nothing.
func (b *born) leave() error {
	var failed error
	for _, fd := range b.back {
		if _, err := unix.Write(fd, []byte("0")); err != nil {
			failed = fmt.Errorf("go back to the launcher's control groups: %w", err)
		}
		unix.Close(fd)
	}
	b.back = nil
	return failed
}

// Apply sees that a process is in the groups, and moves it otherwise.
func (b *born) Apply(pid int) error {
	in, err := cgroups.ParseCgroupFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	for _, g := range b.groups {
		if err != nil || in[g.hierarchy()] != b.path {
			b.moved.Store(true)
			return b.Manager.Apply(pid)
		}
	}
	return nil
}

// Set sets the limits, which are not for the thread.
func (b *born) Set(r *cgroups.Resources) error {
	if err := b.leave(); err != nil {
		return err
	}
	err := b.Manager.Set(r)
	if b.early != nil && err == nil {
		b.early()
		b.early = nil
	}
	return err
}

// Destroy takes the groups away without the thread, which is still in them when init
// fails before its limits are set: removing a group is tried again for a second,
// in each of a dozen hierarchies.
func (b *born) Destroy() error {
	return errors.Join(b.leave(), b.Manager.Destroy())
}

// GetPaths leaves out the unified hierarchy, for those who join as well, unless the
// container was moved after all.
func (b *born) GetPaths() map[string]string {
	paths := b.Manager.GetPaths()
	if b.moved.Load() {
		return paths
	}
	paths = maps.Clone(paths) // libcontainer's manager gives its own
	delete(paths, "")
	return paths
}

// fillCpuset gives the cpuset its processors and memory, those of the one above:
// nobody gets into one that has none. It says whether it has them now.
func fillCpuset(groups []Group) bool {
	for _, g := range groups {
		for part := range strings.SplitSeq(g.Name, ",") {
			if part == "cpuset" && (copyDown(g.Path, "cpuset.cpus") != nil || copyDown(g.Path, "cpuset.mems") != nil) {
				return false
			}
		}
	}
	return true
}

func copyDown(group, name string) error {
	above, err := os.ReadFile(filepath.Join(filepath.Dir(group), name))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(group, name), above, 0)
}

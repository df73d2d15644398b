// Package guard puts containers under the host's guard: BPF programs that an
// administrator has switched on (package lsm), which look for a mark of the pid
// namespace that a process is in. This part is the launcher's, and links no library.
//
// Nobody leaves his pid namespace, and who joins a container is in it. A mark in
// the storage of each process (BPF_MAP_TYPE_TASK_STORAGE), which children inherit,
// would be less: on Linux 6.1 a process that had a fork refused early, before the
// kernel had given the child a storage of its own, was seen to lose its mark.
package guard

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// Where the guard is pinned, and what the map of marks is called by the kernel.
// The number is that of the mark's layout and of the bits' meaning.
const (
	FS      = "/sys/fs/bpf"
	Dir     = FS + "/safe-run"
	MapPath = Dir + "/marks"
	MapName = "saferun_marks_2"
)

// Mark is what the programs look at.
type Mark struct {
	Classes  uint64 // bits are places in spec.GuardClasses
	Families uint64 // bits are address families
	Netlink  uint64 // bits are protocols of AF_NETLINK
	Paths    uint64 // bits are places in spec.GuardPaths
}

// MarkOf is the mark of a container. What is not known here is an error: a plan
// may come from a newer launcher.
func MarkOf(g *spec.Guard) (Mark, error) {
	var m Mark
	var unknown []string
	for _, list := range []struct {
		names, all []string
		bits       *uint64
	}{{g.Deny, spec.GuardClasses(), &m.Classes}, {g.Paths, spec.GuardPaths(), &m.Paths}} {
		for _, name := range list.names {
			if i := slices.Index(list.all, name); i >= 0 {
				*list.bits |= 1 << i
			} else {
				unknown = append(unknown, name)
			}
		}
	}
	for _, list := range []struct {
		numbers []uint32
		bits    *uint64
	}{{g.Families, &m.Families}, {g.Netlink, &m.Netlink}} {
		for _, n := range list.numbers {
			if n < 64 {
				*list.bits |= 1 << n
			} else {
				unknown = append(unknown, fmt.Sprint(n))
			}
		}
	}
	if len(unknown) > 0 {
		return m, problem.New("run the container with the launcher that made its plan", "guard: nothing is known of %q", unknown)
	}
	return m, nil
}

// On says whether the guard is switched on: one look at a path, where it is not. Where
// root cannot tell, it is, and nothing runs without it.
func On() bool {
	own, err := Own(Dir)
	if err == nil && own {
		var at unix.Stat_t
		err = unix.Lstat(MapPath, &at)
		own = err == nil
	}
	switch {
	case err == nil:
		return own
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return false
	}
	return os.Geteuid() == 0
}

// Own says whether a directory is root's, and root's alone to write to. A filesystem
// of BPF is mounted with mode 1777 unless it is told otherwise, and asks for no
// capability where directories are made: what another user has made by the guard's
// name is not the guard, and nobody is stopped by it.
func Own(dir string) (bool, error) {
	var at unix.Stat_t
	if err := unix.Lstat(dir, &at); err != nil {
		return false, err
	}
	return at.Mode&unix.S_IFMT == unix.S_IFDIR && at.Uid == 0 && at.Mode&0o022 == 0, nil
}

// Held is a container under the guard.
type Held struct {
	container key
	// namespace keeps the kernel from giving its number to another.
	namespace int
}

// Enter puts a container under the guard, whose first process waits. Who is there
// already, and who comes, is under it from here on.
func Enter(pid int, g *spec.Guard) (*Held, error) {
	if g == nil {
		return nil, nil
	}
	held, err := enter(pid, g)
	if err != nil {
		return nil, problem.New("safe-run guard status; to run without it: --accept guard", "the guard of this host cannot hold the container: %w", err)
	}
	return held, nil
}

func enter(pid int, g *spec.Guard) (*Held, error) {
	mark, err := MarkOf(g)
	if err != nil {
		return nil, err
	}
	held, err := hold(pid)
	if err != nil {
		return nil, err
	}
	own, err := keyOf(os.Getpid())
	if err == nil && own.Namespace == held.container.Namespace {
		err = errors.New("it has no pid namespace of its own")
	}
	if err == nil {
		err = held.mark(&mark)
	}
	if err != nil {
		unix.Close(held.namespace)
		return nil, err
	}
	return held, nil
}

func (h *Held) mark(m *Mark) error {
	marks, err := open()
	if err != nil {
		return err
	}
	defer unix.Close(marks)
	err = element(cmdUpdate, marks, h.container, m)
	if errors.Is(err, unix.E2BIG) { // full, maybe of those that nobody has removed
		if _, err = collect(marks); err == nil {
			err = element(cmdUpdate, marks, h.container, m)
		}
	}
	return err
}

// Leave forgets a container that has ended. One that nobody forgets, since its
// launcher was killed, holds nobody once its processes are gone: no other namespace
// has the number and the time. Collect removes it.
func (h *Held) Leave() {
	if h == nil {
		return
	}
	if marks, err := open(); err == nil { // or it was switched off
		_ = element(cmdDelete, marks, h.container, nil)
		unix.Close(marks)
	}
	unix.Close(h.namespace) // the next one may have the number
}

// MarkedAs gives the mark that the container of a process has, and nothing where
// it has none. The process is the container's first.
func MarkedAs(pid int) (Mark, error) {
	container, err := keyOf(pid)
	if err != nil {
		return Mark{}, err
	}
	marks, err := open()
	if err != nil {
		return Mark{}, err
	}
	defer unix.Close(marks)
	var m Mark
	err = element(cmdLookup, marks, container, &m)
	if errors.Is(err, unix.ENOENT) {
		return Mark{}, nil
	}
	return m, err
}

// Commands of bpf(2).
const (
	cmdLookup  = 1
	cmdUpdate  = 2
	cmdDelete  = 3
	cmdNextKey = 4
	cmdObjGet  = 7
	cmdObjInfo = 15

	mapHash = 1 // BPF_MAP_TYPE_HASH
)

// open opens the map of marks, if it is one that this program knows.
func open() (int, error) {
	if own, err := Own(Dir); err != nil || !own {
		return -1, errors.Join(err, fmt.Errorf("%s is not root's alone", Dir))
	}
	path, err := unix.BytePtrFromString(MapPath)
	if err != nil {
		return -1, err
	}
	get := struct {
		path      uint64
		fd, flags uint32
	}{path: uint64(uintptr(unsafe.Pointer(path)))}
	fd, err := bpf(cmdObjGet, unsafe.Pointer(&get), unsafe.Sizeof(get))
	runtime.KeepAlive(path)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", MapPath, err)
	}
	var is struct {
		kind, id, keySize, valueSize, entries, flags uint32
		name                                         [16]byte
	}
	info := struct {
		fd, size uint32
		info     uint64
	}{uint32(fd), uint32(unsafe.Sizeof(is)), uint64(uintptr(unsafe.Pointer(&is)))}
	_, err = bpf(cmdObjInfo, unsafe.Pointer(&info), unsafe.Sizeof(info))
	runtime.KeepAlive(&is)
	if err == nil && (is.kind != mapHash || is.keySize != uint32(unsafe.Sizeof(key{})) || is.valueSize != uint32(unsafe.Sizeof(Mark{})) || unix.ByteSliceToString(is.name[:]) != MapName) {
		err = fmt.Errorf("%s is not %s: another version of safe-run has switched the guard on", MapPath, MapName)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// element reads, writes or removes a mark.
func element(cmd uintptr, marks int, container key, m *Mark) error {
	return of(cmd, marks, &container, unsafe.Pointer(m))
}

// of is a command about a key of a map.
func of(cmd uintptr, marks int, container *key, value unsafe.Pointer) error {
	attr := struct {
		fd                uint32
		_                 uint32
		key, value, flags uint64
	}{fd: uint32(marks), key: uint64(uintptr(unsafe.Pointer(container))), value: uint64(uintptr(value))}
	_, err := bpf(cmd, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	runtime.KeepAlive(container)
	runtime.KeepAlive(value)
	return err
}

func bpf(cmd uintptr, attr unsafe.Pointer, size uintptr) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(attr), size)
	if errno != 0 {
		return -1, os.NewSyscallError("bpf", errno)
	}
	return int(n), nil
}

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
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
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
	MapName = "saferun_marks_1"
)

// Mark is what the programs look at.
type Mark struct {
	Classes  uint64 // bits are places in spec.GuardClasses
	Families uint64 // bits are address families
	Netlink  uint64 // bits are protocols of AF_NETLINK
	Paths    uint64 // bits are places in spec.GuardPaths
	// Began is when the first process of the namespace was started, in hundredths
	// of a second since boot: numbers of namespaces are given again.
	Began uint64
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

// On says whether the guard is switched on: one look at a path. Where root cannot
// tell, it is, and nothing runs without it.
func On() bool {
	var at unix.Stat_t
	err := unix.Lstat(MapPath, &at)
	switch {
	case err == nil:
		return true
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return false
	}
	return os.Geteuid() == 0
}

// Held is a container under the guard.
type Held struct{ namespace uint32 }

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
	key, began, err := namespace(pid)
	if err != nil {
		return nil, err
	}
	if own, _, err := namespace(os.Getpid()); err != nil || own == key {
		return nil, errors.Join(err, errors.New("it has no pid namespace of its own"))
	}
	marks, err := open()
	if err != nil {
		return nil, err
	}
	defer unix.Close(marks)
	mark.Began = began
	return &Held{key}, element(cmdUpdate, marks, key, &mark)
}

// Leave forgets a container that has ended. One that nobody forgets holds nobody:
// the next namespace of its number begins later.
func (h *Held) Leave() {
	if h == nil {
		return
	}
	if marks, err := open(); err == nil { // or it was switched off
		_ = element(cmdDelete, marks, h.namespace, nil)
		unix.Close(marks)
	}
}

// MarkedAs gives the mark that the container of a process has, and nothing where
// it has none. The process is the container's first.
func MarkedAs(pid int) (Mark, error) {
	key, began, err := namespace(pid)
	if err != nil {
		return Mark{}, err
	}
	marks, err := open()
	if err != nil {
		return Mark{}, err
	}
	defer unix.Close(marks)
	var m Mark
	err = element(cmdLookup, marks, key, &m)
	switch {
	case errors.Is(err, unix.ENOENT), err == nil && m.Began != began:
		return Mark{}, nil
	}
	return m, err
}

// namespace is the number of the pid namespace that a process is in, and when the
// process began (proc_pid_stat(5)).
func namespace(pid int) (number uint32, began uint64, err error) {
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err == nil {
		_, err = fmt.Sscanf(link, "pid:[%d]", &number)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("the pid namespace of %d: %w", pid, err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	// The second field may have anything in it, and ends with the last bracket.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const at = 22 - 3
	if len(fields) <= at {
		return 0, 0, fmt.Errorf("/proc/%d/stat: %q", pid, stat)
	}
	began, err = strconv.ParseUint(string(fields[at]), 10, 64)
	return number, began, err
}

// Commands of bpf(2).
const (
	cmdLookup  = 1
	cmdUpdate  = 2
	cmdDelete  = 3
	cmdObjGet  = 7
	cmdObjInfo = 15

	mapHash = 1 // BPF_MAP_TYPE_HASH
)

// open opens the map of marks, if it is one that this program knows.
func open() (int, error) {
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
	if err == nil && (is.kind != mapHash || is.keySize != 4 || is.valueSize != uint32(unsafe.Sizeof(Mark{})) || unix.ByteSliceToString(is.name[:]) != MapName) {
		err = fmt.Errorf("%s is not %s: another version of safe-run has switched the guard on", MapPath, MapName)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// element reads, writes or removes a mark.
func element(cmd uintptr, marks int, key uint32, m *Mark) error {
	attr := struct {
		fd                uint32
		_                 uint32
		key, value, flags uint64
	}{fd: uint32(marks), key: uint64(uintptr(unsafe.Pointer(&key))), value: uint64(uintptr(unsafe.Pointer(m)))}
	_, err := bpf(cmd, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	runtime.KeepAlive(&key)
	runtime.KeepAlive(m)
	return err
}

func bpf(cmd uintptr, attr unsafe.Pointer, size uintptr) (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(attr), size)
	if errno != 0 {
		return -1, os.NewSyscallError("bpf", errno)
	}
	return int(n), nil
}

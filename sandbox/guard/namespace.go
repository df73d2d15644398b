package guard

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// key is what a container is known by: its pid namespace's number, and when the
// first process of the namespace was started, in hundredths of a second since boot.
// The kernel gives the lowest number that is free (proc_alloc_inum), so that the next
// namespace has that of the last; with the time nobody writes over, removes or is
// held by the mark of another.
type key struct {
	Namespace uint32
	Zero      uint32 // a map compares every byte
	Began     uint64
}

// hold is a process's namespace, whose number is its own until it is let go.
func hold(pid int) (*Held, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/pid", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("the pid namespace of %d: %w", pid, err)
	}
	var at unix.Stat_t
	err = unix.Fstat(fd, &at)
	var began uint64
	if err == nil {
		began, err = begin(pid)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &Held{key{Namespace: uint32(at.Ino), Began: began}, fd}, nil
}

// keyOf is the key of the container whose first process it is.
func keyOf(pid int) (key, error) {
	held, err := hold(pid)
	if err != nil {
		return key{}, err
	}
	unix.Close(held.namespace)
	return held.container, nil
}

// begin is when a process began (proc_pid_stat(5)). The kernel adds the offset of
// the reader's time namespace, which the programs know nothing of.
func begin(pid int) (uint64, error) {
	offsets, err := os.ReadFile("/proc/self/timens_offsets")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	if shifted(string(offsets)) {
		return 0, problem.New("start it outside the time namespace", "the launcher is in a time namespace with another time since boot")
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field may have anything in it, and ends with the last bracket.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const at = 22 - 3
	if len(fields) <= at {
		return 0, fmt.Errorf("/proc/%d/stat: %q", pid, stat)
	}
	return strconv.ParseUint(string(fields[at]), 10, 64)
}

// shifted says whether a time namespace has another time since boot
// (time_namespaces(7)).
func shifted(offsets string) bool {
	for line := range strings.Lines(offsets) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "boottime" && (f[1] != "0" || f[2] != "0") {
			return true
		}
	}
	return false
}

// firstNamespace is the number of the pid namespace that the host has booted with
// (PROC_PID_INIT_INO in include/linux/proc_ns.h).
const firstNamespace = 0xEFFFFFFC

// mostKeys bounds a walk that begins anew when its place is removed.
const mostKeys = 1 << 17

// Collect removes the marks of containers that are no more, whose launcher was
// killed, and says how many there were.
func Collect() (int, error) {
	marks, err := open()
	if err != nil {
		return 0, err
	}
	defer unix.Close(marks)
	return collect(marks)
}

// collect reads the marks first and the processes then: a container whose mark was
// there has its first process all the while, or has ended.
func collect(marks int) (int, error) {
	own, err := keyOf(os.Getpid())
	if err != nil || own.Namespace != firstNamespace {
		return 0, errors.Join(err, errors.New("from inside a pid namespace nobody sees all processes"))
	}
	var there []key
	var last key
	for err == nil && len(there) < mostKeys {
		next := key{}
		if err = of(cmdNextKey, marks, &last, unsafe.Pointer(&next)); err == nil {
			there, last = append(there, next), next
		}
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return 0, err
	}
	live, err := living()
	if err != nil {
		return 0, err
	}
	removed := 0
	for _, one := range there {
		if !live[one] && element(cmdDelete, marks, one, nil) == nil {
			removed++
		}
	}
	return removed, nil
}

// living has a key for every process; those of first processes are among them.
func living() (map[key]bool, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	live := map[key]bool{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		one, err := keyOf(pid)
		switch {
		case err == nil:
			live[one] = true
		case !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ESRCH) && !outside(pid):
			return nil, err
		}
	}
	return live, nil
}

// outside says that a process is in no pid namespace but the reader's: all may see
// that even of one that has more capabilities than they.
func outside(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH)
	}
	for line := range strings.Lines(string(status)) {
		if numbers, found := strings.CutPrefix(line, "NSpid:"); found {
			return len(strings.Fields(numbers)) == 1
		}
	}
	return false
}

package runc

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// launches knows which children of this process are somebody's.
//
// libcontainer starts a process in three stages, which are all children of its
// caller (CLONE_PARENT). When a container ends while somebody joins it, it does
// not wait for the later two. runc itself ends then; in a process that goes on,
// they stay zombies, and the first process of their pid namespace, which has to
// see all others gone, never ends.
//
// Whether one is left is told in two ways. It was born before any of those that
// are being started now began; or it is in the pid namespace of a container in
// which a start has failed and none goes on, whatever else is being started,
// however long that takes.
type launches struct {
	mu       sync.Mutex
	begun    map[*launch]bool // those that are being started
	failed   map[string]bool  // pid namespaces in which a start has failed
	owned    map[int]bool     // those that were started, and are waited for
	sweeping bool
}

// launch is a process that is being started.
type launch struct {
	at uint64 // clock ticks since the machine was started
	in string // the pid namespace of the container that it joins; empty: a new one
}

var children = newLaunches()

func newLaunches() *launches {
	return &launches{begun: map[*launch]bool{}, failed: map[string]bool{}, owned: map[int]bool{}}
}

// begin tells of a start, which end ends; in is pidNamespace of the process whose
// container is joined.
func (l *launches) begin(in string) *launch {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := &launch{now(), in}
	l.begun[one] = true
	return one
}

// end says how a start went; pid is 0 when it failed.
func (l *launches) end(one *launch, pid int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.begun, one)
	if pid > 0 {
		l.owned[pid] = true
		return
	}
	if one.in != "" {
		l.failed[one.in] = true
	}
	if !l.sweeping {
		l.sweeping = true
		go l.sweep()
	}
}

func (l *launches) waited(pid int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.owned, pid)
}

// left says whether nobody waits for a stage.
func (l *launches) left(s stage) bool {
	if l.owned[s.pid] {
		return false
	}
	before, inside := true, l.failed[s.in]
	for one := range l.begun {
		before = before && s.born < one.at
		inside = inside && s.in != one.in
	}
	return before || inside
}

// sweep waits for the stages that nobody does; the last may be a moment from its
// end.
func (l *launches) sweep() {
	for idle := 0; idle < 20; time.Sleep(100 * time.Millisecond) {
		l.mu.Lock()
		if len(l.begun) == 0 {
			idle++
		}
		for _, s := range strays() {
			if l.left(s) {
				_, _ = unix.Wait4(s.pid, nil, unix.WNOHANG, nil)
			}
		}
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweeping = false
	clear(l.failed)
}

// now is the time in the unit of proc_pid_stat(5), which is a hundredth of a second
// wherever Linux runs.
func now() uint64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0 // nobody was born before
	}
	return uint64(t.Nano()) / uint64(10*time.Millisecond)
}

// pidNamespace names the pid namespace of a process, also of one that has ended
// and is not waited for.
func pidNamespace(pid int) string {
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	if err != nil {
		return ""
	}
	return name
}

// stage is a child of this process that has ended as a stage of libcontainer.
type stage struct {
	pid  int
	born uint64
	in   string // its pid namespace
}

// strays are children of this process that have ended as stages of libcontainer
// (proc_pid_children(5), proc_pid_stat(5)).
func strays() []stage {
	var out []stage
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		pids, _ := os.ReadFile(list)
		for _, field := range strings.Fields(string(pids)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				continue
			}
			stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			_, rest, _ := strings.Cut(string(stat), " (")
			_, rest, ended := strings.Cut(rest, "]) Z ")
			if !ended || !strings.Contains(string(stat), " (runc:[") {
				continue
			}
			// From the fourth field on; the time of birth is the 22nd.
			s := stage{pid: pid, born: math.MaxUint64, in: pidNamespace(pid)}
			if fields := strings.Fields(rest); len(fields) > 18 {
				if born, err := strconv.ParseUint(fields[18], 10, 64); err == nil {
					s.born = born
				}
			}
			out = append(out, s)
		}
	}
	return out
}

package runc

import (
	"fmt"
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
type launches struct {
	mu       sync.Mutex
	begun    int          // those that are being started
	owned    map[int]bool // those that were, and are waited for
	sweeping bool
}

var children = launches{owned: map[int]bool{}}

func (l *launches) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun++
}

// end says how a start went; pid is 0 when it failed.
func (l *launches) end(pid int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun--
	if pid > 0 {
		l.owned[pid] = true
		return
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

// sweep waits for the stages that nobody does. While a process is being started
// there are some that libcontainer does; and the last may be a moment from its
// end.
func (l *launches) sweep() {
	for idle := 0; idle < 20; time.Sleep(100 * time.Millisecond) {
		l.mu.Lock()
		if l.begun == 0 {
			idle++
			for _, pid := range strays() {
				if !l.owned[pid] {
					_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
				}
			}
		}
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweeping = false
}

// strays are children of this process that have ended as stages of libcontainer
// (proc_pid_children(5), proc_pid_stat(5)).
func strays() []int {
	var out []int
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
			if strings.HasPrefix(rest, "runc:[") && strings.Contains(rest, "]) Z ") {
				out = append(out, pid)
			}
		}
	}
	return out
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// reapOrphans takes in what the tests leave behind and waits for it as soon as
// it ends, all but the child that somebody else waits for. Tests look for
// processes to be gone, and the first process of a machine may take its time.
func reapOrphans(child int, done <-chan struct{}) {
	if unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != nil {
		return
	}
	for {
		select {
		case <-done:
			return
		case <-time.After(20 * time.Millisecond):
		}
		lists, _ := filepath.Glob("/proc/self/task/*/children")
		for _, list := range lists {
			data, _ := os.ReadFile(list)
			for pid := range strings.FieldsSeq(string(data)) {
				if n, err := strconv.Atoi(pid); err == nil && n != child && isZombie(n) {
					_, _ = syscall.Wait4(n, nil, syscall.WNOHANG, nil)
				}
			}
		}
	}
}

// isZombie reads field 3 of /proc/PID/stat (proc_pid_stat(5)).
func isZombie(pid int) bool {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	at := strings.LastIndexByte(string(data), ')')
	return at >= 0 && strings.HasPrefix(string(data[at+1:]), " Z")
}

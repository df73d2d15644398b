package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// aftermath is a contestant that is measured until nothing of it runs any more:
// what is left to be done after the exit code is work all the same.
func aftermath(c contestant, name string) contestant {
	args := c.args
	c.name, c.what = name, "what it leaves to its warden counted in"
	c.value = func() (float64, error) {
		// Who outlives the command becomes a child of this process.
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return 0, os.NewSyscallError("prctl", err)
		}
		defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) //nolint:errcheck // cannot fail
		before, err := children()
		if err != nil {
			return 0, err
		}
		began := time.Now()
		if _, err := timed(args, nil); err != nil {
			return 0, err
		}
		left, err := children()
		if err != nil {
			return 0, err
		}
		for pid := range left {
			if !before[pid] {
				if err := ended(pid); err != nil {
					return 0, err
				}
			}
		}
		return time.Since(began).Seconds(), nil
	}
	return c
}

// children are the processes that are this one's.
func children() (map[int]bool, error) {
	lists, err := filepath.Glob("/proc/self/task/*/children") // of each thread
	if err != nil || len(lists) == 0 {
		return nil, errors.Join(err, errors.New("the kernel does not list children: CONFIG_PROC_CHILDREN"))
	}
	pids := make(map[int]bool)
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if errors.Is(err, os.ErrNotExist) {
			continue // a thread that has ended
		}
		if err != nil {
			return nil, err
		}
		for _, field := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", list, err)
			}
			pids[pid] = true
		}
	}
	return pids, nil
}

// ended waits for a child's end.
func ended(pid int) error {
	for {
		_, err := unix.Wait4(pid, nil, 0, nil)
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("wait4", err)
		}
	}
}

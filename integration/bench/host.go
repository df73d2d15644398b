package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tidied is how long is waited for what is taken down in the background.
const tidied = 10 * time.Second

// host is what a bench must leave as it was: what is there, and how it is.
type host map[string]string

// takeHost looks at what the programs that are measured are known to leave.
func takeHost() host {
	h := host{}
	var st unix.Stat_t
	if unix.Stat("/dev/null", &st) == nil {
		h["/dev/null"] = fmt.Sprintf("mode %o, owner %d:%d", st.Mode&0o7777, st.Uid, st.Gid)
	}
	for _, file := range []string{"/proc/sys/net/ipv4/ip_forward", maxUsers} {
		if data, err := os.ReadFile(file); err == nil {
			h[file] = strings.TrimSpace(string(data))
		}
	}
	for _, pattern := range []string{"/run/netns/*", "/sys/fs/cgroup/*/bench-*", "/run/runc/bench-*", "/run/crun/bench-*"} {
		found, _ := filepath.Glob(pattern) // the pattern is right
		for _, path := range found {
			h[path] = "there"
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mounts") // without it there is nothing to compare
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.Contains(fields[1], "bench") {
			h["mount at "+fields[1]] = "there"
		}
	}
	return h
}

// changed says what is not as it was, when it stays so.
func (h host) changed(patience time.Duration) error {
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		err := h.differs(takeHost())
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

func (h host) differs(after host) error {
	var errs []error
	for _, what := range slices.Sorted(maps.Keys(after)) {
		if was, there := h[what]; !there || was != after[what] {
			errs = append(errs, fmt.Errorf("left behind: %s: %s", what, after[what]))
		}
	}
	return errors.Join(errs...)
}

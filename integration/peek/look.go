package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// looks only read.
var looks = map[string]command{
	"status":      {"FIELD", status, 1},
	"mount":       {"PATH", mountAt, 1},
	"propagation": {"", propagation, 0},
	"ns":          {"NAME", namespace, 1},
	"idmap":       {"uid|gid", idmap, 1},
	"fds":         {"", descriptors, 0},
	"env":         {"", environment, 0},
	"corelimit":   {"", coreLimit, 0},
	"ls":          {"PATH", list, 1},
	"interfaces":  {"", interfaces, 0},
	"read":        {"PATH", read, 1},
	"stat":        {"PATH", stat, 1},
	"statfs":      {"PATH", statfs, 1},
	"count":       {"PATH", count, 1},
	"id":          {"", func([]string) (string, error) { return fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()), nil }, 0},
	"cwd":         {"", func([]string) (string, error) { return os.Getwd() }, 0},
	"each":        {"COMMAND;...", each, 1},
	"limits":      {"", limits, 0},
	"hostname":    {"", func([]string) (string, error) { return os.Hostname() }, 0},
	"ppid":        {"", func([]string) (string, error) { return strconv.Itoa(os.Getppid()), nil }, 0},
	"args":        {"ARG...", func(args []string) (string, error) { return fmt.Sprintf("%q", args), nil }, 0},
}

// status gives one field of /proc/self/status with single spaces.
func status(args []string) (string, error) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", err
	}
	for _, line := range strings.Split(string(data), "\n") {
		name, value, _ := strings.Cut(line, ":")
		if name == args[0] {
			return strings.Join(strings.Fields(value), " "), nil
		}
	}
	return "absent", nil
}

func namespace(args []string) (string, error) { return os.Readlink("/proc/self/ns/" + args[0]) }

func idmap(args []string) (string, error) {
	data, err := os.ReadFile("/proc/self/" + args[0] + "_map")
	return strings.Join(strings.Fields(string(data)), " "), err
}

// descriptors lists what is open beyond standard input, output and error.
func descriptors([]string) (string, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return "", err
	}
	var open []string
	for _, entry := range entries {
		n, _ := strconv.Atoi(entry.Name())
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if n <= 2 || err != nil || strings.HasPrefix(target, "anon_inode:[event") {
			continue // the directory itself is closed by now; Go's poller is its own
		}
		open = append(open, entry.Name()+"="+target)
	}
	return orNone(open), nil
}

func environment([]string) (string, error) {
	env := os.Environ()
	sort.Strings(env)
	return orNone(env), nil
}

// coreLimit gives the soft and the hard limit. That of open files is not to be
// had here: Go raises its own soft limit at the start.
func coreLimit([]string) (string, error) {
	var limit unix.Rlimit
	// Not getrlimit(2), which is an older name of the same.
	if err := unix.Prlimit(0, unix.RLIMIT_CORE, nil, &limit); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d:%d", limit.Cur, limit.Max), nil
}

func list(args []string) (string, error) {
	entries, err := os.ReadDir(args[0])
	if err != nil {
		return "", err
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return orNone(names), nil
}

// count gives the number of entries of a directory, or of bytes of a file.
func count(args []string) (string, error) {
	if entries, err := os.ReadDir(args[0]); err == nil {
		return strconv.Itoa(len(entries)), nil
	}
	data, err := os.ReadFile(args[0])
	return strconv.Itoa(len(data)), err
}

func interfaces([]string) (string, error) {
	links, err := net.Interfaces()
	if err != nil {
		// Without netlink: the kernel's own list.
		names, err := filepath.Glob("/sys/class/net/*")
		return orNone(names), err
	}
	var lines []string
	for _, link := range links {
		lines = append(lines, link.Name)
	}
	sort.Strings(lines)
	return orNone(lines), nil
}

func read(args []string) (string, error) {
	data, err := os.ReadFile(args[0])
	if len(data) > 4096 {
		data = data[:4096]
	}
	return strings.TrimSpace(string(data)), err
}

func stat(args []string) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(args[0], &st); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d:%d %o", st.Uid, st.Gid, st.Mode&0o7777), nil
}

// statfs gives the size in MiB and the number of inodes of a filesystem.
func statfs(args []string) (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(args[0], &st); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d MiB %d inodes", int64(st.Blocks)*st.Bsize>>20, st.Files), nil
}

func orNone(items []string) string {
	if len(items) == 0 {
		return "none"
	}
	return strings.Join(items, " ")
}

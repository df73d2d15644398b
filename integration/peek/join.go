package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// joins look at processes that come into the container while they watch.
var joins = map[string]command{
	"spy": {"DURATION", spy, 1},
}

// spy looks for a while at every other process: at what it executes, where it
// is, what it has open. A process that is not yet the container's own program
// must not be seen into. It prints how many came and what was found.
func spy(args []string) (string, error) {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return "", err
	}
	fmt.Println("watching")
	came, found := map[string]bool{}, map[string]bool{}
	for end := time.Now().Add(d); time.Now().Before(end); {
		dirs, _ := filepath.Glob("/proc/[0-9]*")
		for _, dir := range dirs {
			if dir == fmt.Sprintf("/proc/%d", os.Getpid()) {
				continue
			}
			came[dir] = true
			for _, what := range lookInto(dir) {
				found[what] = true
			}
		}
	}
	var all []string
	for what := range found {
		all = append(all, what)
	}
	return fmt.Sprintf("%d came; found: %s", len(came), orNone(all)), nil
}

// lookInto tries what leads from a process to files of the host: CVE-2019-5736
// through its executable, CVE-2024-21626 through its descriptors and directory.
func lookInto(dir string) (found []string) {
	exe, err := os.Readlink(dir + "/exe")
	if err != nil {
		return nil // nothing below it can be read either, see below
	}
	if exe != "/peek" {
		found = append(found, "executes "+exe)
		if fd, err := unix.Open(dir+"/exe", unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
			unix.Close(fd)
			found = append(found, "opened "+exe)
		}
	}
	for _, name := range []string{"cwd", "root"} {
		if target, err := os.Readlink(dir + "/" + name); err == nil && target != "/" {
			found = append(found, name+"="+target)
		}
	}
	fds, _ := filepath.Glob(dir + "/fd/*")
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil || !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "/dev/") || strings.HasPrefix(target, "/proc") || strings.HasPrefix(target, "/sys") {
			continue
		}
		found = append(found, "has open "+target)
	}
	return found
}

package runc

import (
	"fmt"
	"os"
	"path"
	"strings"
)

// inGroup says whether a process is in one of a container's control groups or
// below it. A number and a start time are what a file says; the group is what the
// kernel says, and nobody else's process is in it.
func inGroup(pid int, groups map[string]string) bool {
	if len(groups) == 0 {
		return true
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		for at := path.Clean(fields[2]); at != "/" && at != "."; at = path.Dir(at) {
			for _, group := range groups {
				if strings.HasSuffix(group, at) {
					return true
				}
			}
		}
	}
	return false
}

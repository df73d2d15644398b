package trace

import (
	"bytes"
	"strconv"
)

func procDir(tid int) string { return "/proc/" + strconv.Itoa(tid) + "/" }

// threadGroup finds the Tgid line of proc_pid_status(5). The line of the name
// stands before it and is the process's own to choose; it cannot hold a line
// break, which the kernel escapes.
func threadGroup(status []byte) (pid int, ok bool) {
	for line := range bytes.Lines(status) {
		if value, found := bytes.CutPrefix(line, []byte("Tgid:")); found {
			if pid, err := strconv.Atoi(string(bytes.TrimSpace(value))); err == nil {
				return pid, true
			}
			return 0, false
		}
	}
	return 0, false
}

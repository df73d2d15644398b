package runc

import (
	"fmt"
	"os"
	"strings"
)

// Executing says whether a container's first process runs its program by now,
// and whether it has ended.
func Executing(pid int) (executed, ended bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false, true
	}
	stat := string(data)
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	ended = len(fields) > 0 && (fields[0] == "Z" || fields[0] == "X")
	return hasExecuted(stat), ended
}

package probe

import (
	"os"
	"strings"
)

// coreHandler says whether core dumps go to a program or a socket of the host,
// as with systemd-coredump and apport (core(5)).
func coreHandler() bool {
	data, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	return err == nil && isHandler(string(data))
}

func isHandler(pattern string) bool {
	return strings.HasPrefix(pattern, "|") || strings.HasPrefix(pattern, "@")
}

package probe

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// landlock is the version of Landlock that the kernel has and that was not left
// out when it was started.
func landlock() int {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0 // ENOSYS, or EOPNOTSUPP where lsm= does not name it
	}
	return int(version)
}

// restrictions are those of the host's sysctls that there are.
func restrictions() map[string]string {
	out := map[string]string{}
	for _, key := range spec.HostRestrictions() {
		if value, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(key, ".", "/")); err == nil {
			out[key] = strings.TrimSpace(string(value))
		}
	}
	return out
}

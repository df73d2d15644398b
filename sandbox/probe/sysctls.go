package probe

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// sysctls are those that a plan may set inside a container and this kernel has.
func sysctls() []string {
	var there []string
	for _, key := range spec.SecondLayers() {
		if _, err := os.Stat("/proc/sys/" + strings.ReplaceAll(key, ".", "/")); err == nil {
			there = append(there, key)
		}
	}
	return there
}

// sysctlsWritable says whether /proc/sys is mounted read-only, as it is inside
// most containers.
func sysctlsWritable() spec.Tri {
	var fs unix.Statfs_t
	switch err := unix.Statfs("/proc/sys", &fs); {
	case err != nil:
		return spec.Unknown
	case fs.Flags&unix.ST_RDONLY != 0:
		return spec.No
	}
	return spec.Yes
}

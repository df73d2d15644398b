package probe

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// sysctls are those that a plan may set inside a container and this kernel has.
func sysctls() []string {
	if hidden() {
		return spec.SecondLayers() // and none can be written
	}
	var there []string
	for _, key := range spec.SecondLayers() {
		if _, err := os.Stat("/proc/sys/" + strings.ReplaceAll(key, ".", "/")); err == nil {
			there = append(there, key)
		}
	}
	return there
}

// hidden says whether /proc/sys, or the part of it that counts, is covered: a
// kernel that has user namespaces, and that safe-run runs on, has this sysctl
// (Linux 4.9). That is no old kernel.
func hidden() bool {
	_, namespaces := os.Stat("/proc/self/ns/user")
	_, limit := os.Stat("/proc/sys/user/max_user_namespaces")
	return namespaces == nil && limit != nil
}

// sysctlsWritable says whether /proc/sys is mounted read-only, as it is inside
// most containers.
func sysctlsWritable() spec.Tri {
	if hidden() {
		return spec.No
	}
	var fs unix.Statfs_t
	switch err := unix.Statfs("/proc/sys", &fs); {
	case err != nil:
		return spec.Unknown
	case fs.Flags&unix.ST_RDONLY != 0:
		return spec.No
	}
	return spec.Yes
}

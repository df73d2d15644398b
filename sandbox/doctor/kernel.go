package doctor

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// notify asks whether filters may report (SECCOMP_GET_ACTION_AVAIL of
// SECCOMP_RET_USER_NOTIF, seccomp(2)).
func notify() spec.Tri {
	const getActionAvail, userNotify = 2, 0x7fc00000
	action := uint32(userNotify)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, getActionAvail, 0, uintptr(unsafe.Pointer(&action)))
	switch errno {
	case 0:
		return spec.Yes
	case unix.ENOSYS, unix.EOPNOTSUPP:
		return spec.No
	}
	return spec.Unknown
}

// landlock asks for the ABI's version (landlock_create_ruleset(2)).
func landlock() int {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch errno {
	case 0:
		return int(version)
	case unix.ENOSYS, unix.EOPNOTSUPP:
		return 0
	}
	return -1
}

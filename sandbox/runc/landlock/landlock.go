// Package landlock puts a thread, and what it executes, under the rules that a
// plan has for the kernel's Landlock (landlock(7)).
package landlock

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// rights are those of the kernel that a right of a plan stands for. Those that
// are not here, to make devices, are handled and given to nobody.
var rights = map[string]uint64{
	spec.LandlockRead:    unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR,
	spec.LandlockExecute: unix.LANDLOCK_ACCESS_FS_EXECUTE,
	spec.LandlockWrite:   unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE,
	spec.LandlockMake: unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER,
	spec.LandlockIoctl: unix.LANDLOCK_ACCESS_FS_IOCTL_DEV,
}

// ofFiles are the rights that a file can have; the others are a directory's.
const ofFiles = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
	unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV

// again is what may be done to a file that is open already, in whatever way, and
// to what is in a directory: nothing of the host's is open but what is meant to.
const again = ofFiles&^unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_DIR

// handled are the file rights that an ABI knows.
func handled(abi int) uint64 {
	all := uint64(unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK)
	for _, bits := range rights {
		all |= bits
	}
	if abi < 3 {
		all &^= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi < 5 {
		all &^= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return all
}

// attributes are what a ruleset is made of.
func attributes(set *spec.Landlock) unix.LandlockRulesetAttr {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: handled(set.ABI)}
	if set.ABI >= 4 && set.NoBind {
		attr.Handled_access_net |= unix.LANDLOCK_ACCESS_NET_BIND_TCP
	}
	if set.ABI >= 4 && set.NoConnect {
		attr.Handled_access_net |= unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if set.ABI >= 6 {
		// Not signals: a further process has rules of its own, equal to those of
		// the first, and could not tell it to end. The pid namespace holds them.
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
	}
	return attr
}

// Restrict puts the calling thread under the rules, for good. Paths are those
// that it sees. Opened are descriptors of files that are not below its root and
// may be opened again.
func Restrict(set *spec.Landlock, opened ...int) error {
	attr := attributes(set)
	// A kernel takes no more of the structure than it knows, unless the rest is 0.
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return os.NewSyscallError("landlock_create_ruleset", errno)
	}
	defer unix.Close(int(fd))
	r := ruleset{fd: int(fd), handled: attr.Handled_access_fs}
	for _, rule := range set.Rules {
		if err := r.rule(rule); err != nil {
			return err
		}
	}
	for _, fd := range opened {
		// Pipes and sockets have no place, and need no rule (EBADFD); what is not
		// open is nothing to anybody.
		err := r.give(fd, again)
		if err != nil && !errors.Is(err, unix.EBADFD) && !errors.Is(err, unix.EBADF) {
			return err
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return os.NewSyscallError("landlock_restrict_self", errno)
	}
	return nil
}

// ruleset is one that is being made.
type ruleset struct {
	fd      int
	handled uint64
}

func (r ruleset) rule(rule spec.LandlockRule) error {
	var access uint64
	for _, name := range rule.Access {
		bits, ok := rights[name]
		if !ok {
			return fmt.Errorf("there is no right %q", name)
		}
		access |= bits
	}
	fd, err := place(rule.Path)
	if err != nil || fd < 0 {
		return err
	}
	defer unix.Close(fd)
	return r.below(fd, rule.Path, access, rule.Except)
}

// below gives rights to what is open at a path, or, where something below it is
// excepted, to all that is in it and not excepted.
func (r ruleset) below(fd int, at string, access uint64, except []string) error {
	if !slices.ContainsFunc(except, func(p string) bool { return within(p, at) }) {
		return r.give(fd, access)
	}
	names, err := entries(fd)
	if err != nil || len(names) > spec.LandlockMostNames {
		// It cannot be listed, or not within reason: the mounts hold alone.
		return r.give(fd, access)
	}
	for _, name := range names {
		if slices.Contains(except, path.Join(at, name)) {
			continue
		}
		sub, err := unix.Openat(fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // what cannot be opened gets none
		}
		err = r.below(sub, path.Join(at, name), access, except)
		unix.Close(sub)
		if err != nil {
			return err
		}
	}
	return nil
}

// within says whether p is strictly below dir.
func within(p, dir string) bool {
	return strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/") && p != dir
}

// entries lists a directory, up to one more than spec.LandlockMostNames.
func entries(dir int) ([]string, error) {
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), ".")
	defer f.Close()
	names, err := f.Readdirnames(spec.LandlockMostNames + 1)
	if len(names) > 0 {
		return names, nil
	}
	return names, err
}

// give adds one rule. A link gets none: what it leads to is elsewhere.
func (r ruleset) give(fd int, access uint64) error {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if access &= r.handled; stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= ofFiles
	}
	if access == 0 || stat.Mode&unix.S_IFMT == unix.S_IFLNK {
		return nil
	}
	attr := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&attr)), 0, 0, 0); errno != 0 {
		return os.NewSyscallError("landlock_add_rule", errno)
	}
	return nil
}

package landlock

import (
	"errors"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mostLinks bounds how many links are followed, as the kernel does.
const mostLinks = 40

// place opens the root, what is mounted at a path, or one of the devices that
// every container has; -1 says that none of them is there.
//
// Who joins a container finds there what its processes have made since. They
// cannot rename a place where something is mounted (rename(2), EBUSY), but a
// directory above it, and then put another file there, or a link to the root. So
// links are followed on the root's own mount only: there they are the image's,
// and a root that may be written has all rights as it is. Devices nobody makes
// under Landlock, so that one of these numbers was there before.
func place(at string) (int, error) {
	fd, err := unix.Openat2(unix.AT_FDCWD, at, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS,
	})
	if errors.Is(err, unix.ELOOP) {
		fd, err = follow(at)
	}
	if missing(err) {
		return -1, nil
	}
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: at, Err: err}
	}
	stat, err := statOf(fd)
	if err != nil || path.Clean(at) != "/" && stat.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 && !isDevice(stat) {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// missing says whether an error of open(2) is that there is nothing to give
// rights to.
func missing(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EACCES)
}

// statOf is what a descriptor is of.
func statOf(fd int) (stat unix.Statx_t, err error) {
	err = unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_TYPE|unix.STATX_MNT_ID, &stat)
	return stat, os.NewSyscallError("statx", err)
}

func isLink(stat unix.Statx_t) bool { return stat.Mode&unix.S_IFMT == unix.S_IFLNK }

// isDevice says whether it is null, zero, full, random, urandom, tty or ptmx
// (Documentation/admin-guide/devices.txt of the kernel).
func isDevice(stat unix.Statx_t) bool {
	if stat.Mode&unix.S_IFMT != unix.S_IFCHR {
		return false
	}
	minors := map[uint32][]uint32{1: {3, 5, 7, 8, 9}, 5: {0, 2}}
	return slices.Contains(minors[stat.Rdev_major], stat.Rdev_minor)
}

// follow opens a path with links in it, as long as they are on the root's mount.
func follow(at string) (int, error) {
	dir, err := openRoot()
	if err != nil {
		return -1, err
	}
	root, err := statOf(dir)
	for rest, links := names(at), 0; err == nil && len(rest) > 0; {
		var fd int
		fd, err = unix.Openat(dir, rest[0], unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			break
		}
		rest = rest[1:]
		var stat unix.Statx_t
		if stat, err = statOf(fd); err != nil || !isLink(stat) {
			unix.Close(dir)
			dir = fd
			continue
		}
		var to string
		if links++; stat.Mnt_id != root.Mnt_id || links > mostLinks {
			err = unix.ELOOP
		} else {
			to, err = target(fd)
		}
		unix.Close(fd)
		rest = append(names(to), rest...)
		if path.IsAbs(to) {
			unix.Close(dir)
			dir, err = openRoot()
		}
	}
	if err != nil && dir >= 0 {
		unix.Close(dir)
		dir = -1
	}
	return dir, err
}

func openRoot() (int, error) { return unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0) }

// names are the parts of a path.
func names(p string) []string { return strings.FieldsFunc(p, func(r rune) bool { return r == '/' }) }

// target is where a link leads to.
func target(fd int) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

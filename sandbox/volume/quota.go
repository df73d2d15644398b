package volume

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A size is kept by a project quota: every file below the volume's directory
// has its project's number, and the filesystem counts. A container cannot
// change the number, because its user namespace is not the host's
// (fileattr_set_prepare in the kernel).

// fsxattr is struct fsxattr of linux/fs.h.
type fsxattr struct {
	flags, extsize, nextents, project, cowextsize uint32
	_                                             [8]byte
}

const (
	getFsxattr = 0x801c581f // FS_IOC_FSGETXATTR
	setFsxattr = 0x401c5820 // FS_IOC_FSSETXATTR
	inherit    = 0x200      // FS_XFLAG_PROJINHERIT
)

// diskQuota is struct fs_disk_quota of linux/dqblk_xfs.h, which ext4 takes too.
type diskQuota struct {
	version, flags                             int8
	mask                                       uint16
	id                                         uint32
	blockHard, blockSoft, inodeHard, inodeSoft uint64
	blocks, inodes                             uint64
	_                                          [2]int32
	_                                          [2]uint16
	_                                          [4]int8
	_                                          [3]uint64
	_                                          int32
	_                                          [2]uint16
	_                                          [8]byte
}

// quotaState is struct fs_quota_statv of linux/dqblk_xfs.h.
type quotaState struct {
	version int8
	_       uint8
	flags   uint16
	_       [152]byte
	_       uint32
}

const (
	projectQuota = 2 // PRJQUOTA
	ofProject    = 2 // FS_PROJ_QUOTA

	quotaVersion      = 1
	quotaStateVersion = 1
	quotaEnforced     = 1 << 5                    // FS_QUOTA_PDQ_ENFD
	limitsMask        = 1<<0 | 1<<1 | 1<<2 | 1<<3 // soft and hard limits of inodes and blocks

	xGetQuota = 'X'<<8 + 3 // Q_XGETQUOTA
	xSetLimit = 'X'<<8 + 4 // Q_XSETQLIM
	xGetState = 'X'<<8 + 8 // Q_XGETQSTATV
)

// basicBlock is the unit of diskQuota.
const basicBlock = 512

// byDevice speaks of a filesystem as before Linux 5.14; tests set it.
var byDevice bool

// quotactl does one thing with the project quotas of the filesystem of f.
func quotactl(f *os.File, command int, id uint32, data unsafe.Pointer) error {
	command = command<<8 | projectQuota
	if !byDevice {
		_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL_FD, f.Fd(), uintptr(command), uintptr(id), uintptr(data), 0, 0)
		if errno != unix.ENOSYS || hasQuotactlFd() {
			return asError(errno)
		}
	}
	device, err := deviceOf(f)
	if err != nil {
		return err
	}
	name, err := unix.BytePtrFromString(device)
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL, uintptr(command), uintptr(unsafe.Pointer(name)), uintptr(id), uintptr(data), 0, 0)
	return asError(errno)
}

func asError(errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

// hasQuotactlFd tells a kernel without the call from a filesystem without
// quotas, which both say ENOSYS.
func hasQuotactlFd() bool {
	_, _, errno := unix.Syscall6(unix.SYS_QUOTACTL_FD, ^uintptr(0), xGetState<<8|projectQuota, 0, 0, 0, 0)
	return errno != unix.ENOSYS
}

// deviceOf finds the block device that the filesystem of f is on
// (proc_pid_mountinfo(5)).
func deviceOf(f *os.File) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return "", os.NewSyscallError("fstat", err)
	}
	number := fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	table, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	defer table.Close()
	for lines := bufio.NewScanner(table); lines.Scan(); {
		mount, rest, _ := strings.Cut(lines.Text(), " - ")
		fields, source := strings.Fields(mount), strings.Fields(rest)
		if len(fields) > 2 && fields[2] == number && len(source) > 1 && filepath.IsAbs(source[1]) {
			return source[1], nil
		}
	}
	return "", unix.ENOTBLK
}

// enforced fails unless the filesystem of f keeps project quotas.
func enforced(f *os.File) error {
	state := quotaState{version: quotaStateVersion}
	if err := quotactl(f, xGetState, 0, unsafe.Pointer(&state)); err != nil {
		return err
	}
	if state.flags&quotaEnforced == 0 {
		return errors.New("project quotas are off")
	}
	return nil
}

// readLimit gives the quota of a project; one that nobody has is empty.
func readLimit(f *os.File, project uint32) (diskQuota, error) {
	q := diskQuota{version: quotaVersion, flags: ofProject, id: project}
	err := quotactl(f, xGetQuota, project, unsafe.Pointer(&q))
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		return diskQuota{}, nil
	}
	return q, err
}

// setLimit bounds what belongs to a project; 0 ends the bound.
func setLimit(f *os.File, project uint32, size int64) error {
	q := limitOf(project, size)
	return quotactl(f, xSetLimit, project, unsafe.Pointer(&q))
}

// bytesPerInode bounds the number of files, which take room that is counted
// nowhere: one for each page of the size, and at least leastInodes.
const (
	bytesPerInode = 4096
	leastInodes   = 1024
)

func limitOf(project uint32, size int64) diskQuota {
	q := diskQuota{version: quotaVersion, flags: ofProject, mask: limitsMask, id: project}
	if size > 0 {
		q.blockHard = uint64((size + basicBlock - 1) / basicBlock)
		q.inodeHard = uint64(max(size/bytesPerInode, leastInodes))
	}
	return q
}

// projectOf gives the project that what is made in a directory belongs to.
func projectOf(dir *os.File) (uint32, error) {
	var attr fsxattr
	if err := ioctl(dir, getFsxattr, &attr); err != nil {
		return 0, err
	}
	if attr.flags&inherit == 0 {
		return 0, nil
	}
	return attr.project, nil
}

// setProject makes a directory, and what is made in it, belong to a project.
func setProject(dir *os.File, project uint32) error {
	var attr fsxattr
	if err := ioctl(dir, getFsxattr, &attr); err != nil {
		return err
	}
	attr.flags |= inherit
	attr.project = project
	return ioctl(dir, setFsxattr, &attr)
}

func ioctl(f *os.File, request uintptr, attr *fsxattr) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(attr)))
	return asError(errno)
}

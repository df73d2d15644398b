package runc

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ownProcfs is a proc file system that nobody else looks into, attached nowhere.
//
// The sysctls of each user namespace have names of their own in the kernel's
// table of names, all equal and below one directory of one mounted /proc
// (proc_sys_compare in fs/proc/proc_sysctl.c tells them apart), for as long as the
// namespace lives. Written through the host's /proc, those of a thousand
// containers make everybody who looks up one of them there, the next launch
// before all, walk past a thousand names each time.
type ownProcfs struct {
	ready chan struct{}
	file  *os.File
	err   error
}

// beginProcfs begins to make one, beside what follows.
func beginProcfs() *ownProcfs {
	p := &ownProcfs{ready: make(chan struct{})}
	go func() {
		defer close(p.ready)
		fd, err := mountProcfs()
		if err != nil {
			// Where it is not allowed, inside another container for one.
			fd, err = unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		}
		if err != nil {
			p.err = fmt.Errorf("open /proc: %w", err)
			return
		}
		p.file = os.NewFile(uintptr(fd), "/proc")
	}()
	return p
}

// mountProcfs gives a descriptor of the root.
func mountProcfs() (int, error) {
	context, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("fsopen", err)
	}
	defer unix.Close(context)
	if err := unix.FsconfigCreate(context); err != nil {
		return -1, os.NewSyscallError("fsconfig", err)
	}
	fd, err := unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	return fd, os.NewSyscallError("fsmount", err)
}

// root waits until it is there.
func (p *ownProcfs) root() (*os.File, error) {
	<-p.ready
	return p.file, p.err
}

// close lets it go; nobody waits until the kernel has taken it apart.
func (p *ownProcfs) close() {
	go func() {
		<-p.ready
		if p.file != nil {
			p.file.Close()
		}
	}()
}

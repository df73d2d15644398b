package runc

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runc/types"
	"golang.org/x/sys/unix"
)

// What follows is for who stays beside the containers that it makes.

// Counted is what a container has used.
type (
	Counted       = types.Stats
	CountedMemory = types.Memory
	CountedEntry  = types.MemoryEntry
	CountedBlocks = types.BlkioEntry
)

// Unified says whether cgroups are those of version 2.
func Unified() bool { return cgroups.IsCgroup2UnifiedMode() }

// Own gives descriptors to the container's root, so that its programs may open
// /dev/stdout again where that is a pipe.
func (b *Bundle) Own(files ...*os.File) error {
	config := b.container.Config()
	uid, err := config.HostRootUID()
	if err != nil {
		return err
	}
	gid, err := config.HostRootGID()
	if err != nil || uid == 0 && gid == 0 {
		return err
	}
	for _, f := range files {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if info.Mode()&os.ModeNamedPipe == 0 {
			continue // the host's /dev/null
		}
		if err := f.Chown(uid, gid); err != nil {
			return err
		}
	}
	return nil
}

// SignalAll sends a signal to every process of the container. To kill them all
// there is SignalFirst.
func (b *Bundle) SignalAll(sig syscall.Signal) error {
	pids, err := b.Processes()
	if err != nil {
		return err
	}
	sent := 0
	for _, pid := range pids {
		// Whatever has the number by now: it was in the cgroup a moment ago.
		switch err := unix.Kill(pid, sig); {
		case err == nil:
			sent++
		case !errors.Is(err, unix.ESRCH):
			return os.NewSyscallError("kill", err)
		}
	}
	if sent == 0 {
		return ErrNotRunning
	}
	return nil
}

// KillRest kills what the first process left, which the kernel does itself
// where it had a pid namespace of its own.
func (b *Bundle) KillRest() error {
	if b.hasOwnPids() {
		return nil
	}
	return b.killGroup()
}

// Wait waits for the end of a process that this process started, and gives its
// exit status as a shell counts it.
func (p *BundleProcess) Wait() uint32 {
	state, err := p.process.Wait()
	children.waited(p.pid)
	if state == nil {
		// Nobody else may wait for it: what is left is to say that it is gone.
		_ = err
		return 128 + uint32(unix.SIGKILL)
	}
	return uint32(shellStatus(state.Sys().(syscall.WaitStatus)))
}

// Signal sends a signal to the process.
func (p *BundleProcess) Signal(sig syscall.Signal) error { return p.process.Signal(sig) }

// JoinGroup moves a process into an existing cgroup, of every hierarchy that has
// it.
func JoinGroup(path string, pid int) error {
	found, err := filepath.Glob("/sys/fs/cgroup/*" + filepath.Join("/", path) + "/cgroup.procs")
	if Unified() {
		found = []string{filepath.Join("/sys/fs/cgroup", path, "cgroup.procs")}
	}
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errors.New("there is no cgroup " + path)
	}
	for _, procs := range found {
		if strings.Contains(procs, "cpuset/") {
			continue // which takes nobody before its processors are named
		}
		if err := os.WriteFile(procs, []byte(strconv.Itoa(pid)), 0); err != nil {
			return err
		}
	}
	return nil
}

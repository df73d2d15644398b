package runc

import (
	"os"
	"path/filepath"

	"github.com/opencontainers/cgroups"
)

// Prime begins, in the background, what the first process's way into its
// cgroup would wait for.
//
// Moving a process takes the kernel's cgroup_threadgroup_rwsem for writing. The
// first writer after a while waits for an RCU grace period, 5 to 15 ms on the
// machines measured; those who come while it waits, or shortly after, wait for
// nothing more (percpu_down_write, rcu_sync_enter). So this process moves to
// where it is: the lock is taken, and nothing changes.
//
// It also has the library open /sys/fs/cgroup, which it does once, before any
// thread has mounts of its own: through a directory of theirs it would not
// recognise that a file is missing (cgroups, openFile).
func Prime() {
	openGroups()
	go func() {
		if procs := ownProcs(); procs != "" {
			_ = os.WriteFile(procs, []byte("0"), 0) // 0 is the writer itself
		}
	}()
}

// PrimeLaunch is Prime for what makes a container. On version 1 its init is forked
// in its groups, and nobody is moved; see born.
func PrimeLaunch() {
	if cgroups.IsCgroup2UnifiedMode() {
		Prime()
		return
	}
	openGroups()
}

func openGroups() {
	if file, err := cgroups.OpenFile("/sys/fs/cgroup", "cgroup.procs", os.O_RDONLY); err == nil {
		file.Close()
	}
}

// ownProcs is the cgroup.procs of this process's own group; empty when it
// cannot be told.
func ownProcs() string {
	own, err := cgroups.ParseCgroupFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	if cgroups.IsCgroup2UnifiedMode() {
		return filepath.Join("/sys/fs/cgroup", own[""], "cgroup.procs")
	}
	path, in := own["pids"]
	if !in {
		return ""
	}
	return filepath.Join("/sys/fs/cgroup/pids", path, "cgroup.procs")
}

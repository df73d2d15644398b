package runc

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// Group is a container's control group in one hierarchy of cgroup version 1. Name
// is that of the hierarchy's mount point: "memory", or "cpu,cpuacct".
type Group struct{ Name, Path string }

// joined are the hierarchies that libcontainer makes a group in and puts the
// container into.
var joined = map[string]bool{
	"cpuset": true, "devices": true, "memory": true, "cpu": true, "cpuacct": true, "pids": true, "blkio": true,
	"hugetlb": true, "net_cls": true, "net_prio": true, "perf_event": true, "freezer": true, "rdma": true,
	"systemd": true, "misc": true,
}

// MayBeBorn says whether a container whose groups are at path may be forked in them
// (born.go). In the unified hierarchy beside version 1 it is where its launcher is
// then. That is not for who was to be below a certain group, nor for a launcher
// that somebody has put into one: programs for packets and sockets, a service's kill
// and its addresses go by the groups of that hierarchy.
func MayBeBorn(path string) bool {
	if !cgroups.IsCgroup2HybridMode() {
		return true
	}
	own, err := cgroups.ParseCgroupFile("/proc/self/cgroup")
	return err == nil && own[""] == "/" && filepath.Dir(filepath.Clean(path)) == "/"
}

// MakeGroups makes the groups at path in the hierarchies of cgroup version 1, before
// libcontainer does, which takes those that are there; Remove takes them away again.
// It gives none on version 2, and where there is a hierarchy that libcontainer does
// not know.
//
// The one of the devices is not made yet, because libcontainer would look through
// its files when it begins (libcontainer.Create): that takes half a millisecond.
func MakeGroups(path string) ([]Group, error) {
	const root = "/sys/fs/cgroup"
	if cgroups.IsCgroup2UnifiedMode() || !filepath.IsAbs(path) || filepath.Clean(path) == "/" {
		return nil, nil
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	var out []Group
	for _, e := range entries {
		var at unix.Statfs_t
		if !e.IsDir() || unix.Statfs(filepath.Join(root, e.Name()), &at) != nil || at.Type != unix.CGROUP_SUPER_MAGIC {
			continue // a link, or the unified hierarchy
		}
		for part := range strings.SplitSeq(e.Name(), ",") {
			if !joined[part] {
				return nil, nil
			}
		}
		out = append(out, Group{Name: e.Name(), Path: filepath.Join(root, e.Name(), path)})
	}
	for _, g := range out {
		if strings.Contains(g.Name, "devices") {
			continue
		}
		if err := os.MkdirAll(g.Path, 0o755); err != nil {
			return nil, err
		}
	}
	return out, nil
}

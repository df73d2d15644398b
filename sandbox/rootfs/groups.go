package rootfs

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// groupOptions are those of the mount of control groups that are known here.
var groupOptions = []string{"nosuid", "noexec", "nodev", "relatime", "ro"}

// groupsDir is where they are put together, beside the root.
func groupsDir(dir string) string { return filepath.Join(dir, "cgroup") }

// GroupsAhead gives oci with a bind mount of what ShowGroups puts together in the
// place of libcontainer's mounts of control groups, for which init makes some five
// hundred system calls. It says whether there is one. dir is what Assemble was given.
func GroupsAhead(oci *specs.Spec, dir string) (*specs.Spec, bool) {
	const to = "/sys/fs/cgroup"
	at := slices.IndexFunc(oci.Mounts, func(m specs.Mount) bool { return m.Destination == to })
	own := slices.ContainsFunc(oci.Linux.Namespaces, func(ns specs.LinuxNamespace) bool {
		return ns.Type == specs.CgroupNamespace && ns.Path == ""
	})
	if at < 0 || !own || !plainGroups(oci.Mounts[at]) {
		return oci, false
	}
	rest := *oci
	rest.Mounts = slices.Clone(oci.Mounts)
	rest.Mounts[at] = specs.Mount{Destination: to, Type: "bind", Source: groupsDir(dir), Options: []string{"rbind"}}
	return &rest, true
}

// ShowGroups puts /sys/fs/cgroup of cgroup version 1 together. groups are the
// container's own, by the names of their hierarchies. It must run on the Thread on
// which the root was assembled.
//
// What a mount of a hierarchy shows in a cgroup namespace of its own is the
// namespace's group and what is below it (cgroup_namespaces(7)), which a bind mount
// of the group shows as well.
func ShowGroups(dir string, groups map[string]string) error {
	dir = groupsDir(dir)
	if err := os.Mkdir(dir, 0o711); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755,size=4k,nr_inodes=128"); err != nil {
		return os.NewSyscallError("mount", err)
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		if err := bindGroup(groups[name], filepath.Join(dir, name)); err != nil {
			return &os.PathError{Op: "bind", Path: groups[name], Err: err}
		}
		for part := range strings.SplitSeq(name, ",") {
			if part == name {
				break
			}
			if err := os.Symlink(name, filepath.Join(dir, part)); err != nil {
				return err
			}
		}
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC}
	return os.NewSyscallError("mount_setattr", unix.MountSetattr(unix.AT_FDCWD, dir, unix.AT_RECURSIVE, &attr))
}

// plainGroups says whether a mount is one that may not be written, with options
// that are known.
func plainGroups(m specs.Mount) bool {
	return m.Type == "cgroup" && slices.Contains(m.Options, "ro") &&
		!slices.ContainsFunc(m.Options, func(o string) bool { return !slices.Contains(groupOptions, o) })
}

// bindGroup shows a group at a directory that it makes.
func bindGroup(group, at string) error {
	if err := os.Mkdir(at, 0o755); err != nil {
		return err
	}
	return unix.Mount(group, at, "", unix.MS_BIND, "")
}

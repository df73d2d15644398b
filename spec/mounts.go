package spec

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// mostVolumes bounds what an image can make us mount.
const mostVolumes = 64

// mounts puts together what lies over the root filesystem. Each mount costs a
// launch about half a millisecond, so there are no more than needed.
func (c *compiler) mounts() error {
	c.oci.Mounts = kernelMounts(c.allowsSyscall("mq_open"))
	var more []specs.Mount
	binds, err := c.binds()
	if err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, m := range binds {
		taken[m.Destination] = true
	}
	more = append(more, binds...)
	named, err := c.namedVolumes(taken)
	if err != nil {
		return err
	}
	more = append(more, named...)
	for _, t := range c.in.Profile.Mounts.Tmpfs {
		if err := checkTarget(t.Path); err != nil {
			return problem.New("choose another place", "tmpfs %s: %w", clip(t.Path), err)
		}
		if !taken[t.Path] {
			taken[t.Path] = true
			more = append(more, c.tmpfs(t))
		}
	}
	volumes, err := c.volumes(taken)
	if err != nil {
		return err
	}
	more = append(more, volumes...)
	// A mount lies over what is below it, so parents come first.
	slices.SortFunc(more, func(a, b specs.Mount) int { return cmp.Compare(a.Destination, b.Destination) })
	c.oci.Mounts = append(c.oci.Mounts, more...)
	c.mountPoints()
	return nil
}

// kernelMounts are the kernel's own filesystems and a /dev with nothing in it
// but what libcontainer puts there: null, zero, full, random, urandom, tty.
func kernelMounts(mqueue bool) []specs.Mount {
	mounts := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		// No nodev: the devices are bind mounted onto files here.
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs",
			Options: []string{"nosuid", "noexec", "strictatime", "mode=755", "size=64k", "nr_inodes=256"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts",
			Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup",
			Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}},
	}
	if mqueue {
		mounts = append(mounts, specs.Mount{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue",
			Options: []string{"nosuid", "noexec", "nodev"}})
	}
	return mounts
}

// tmpfs is a place in memory, bounded in bytes and in files: both count
// against the kernel's memory, and inodes are free of the size limit.
func (c *compiler) tmpfs(t profiles.Tmpfs) specs.Mount {
	size, inodes, mode := or(t.Size, defaultTmpfsSize), or(t.Inodes, defaultTmpfsInodes), or(t.Mode, 0o1777)
	at := entry("mounts.tmpfs", t.Path)
	d := Decision{Setting: "tmpfs " + t.Path, Value: fmt.Sprintf("%s, %d files", size, inodes), Source: c.source(at)}
	options := []string{"nosuid", "nodev"}
	if or(t.Exec, false) {
		d.Value += ", exec"
		d.Why = c.why(at+".exec", t.Why)
		d.Weakens = "programs that the container writes there can be run"
	} else {
		options = append(options, "noexec")
	}
	c.decide(d)
	options = append(options, fmt.Sprintf("mode=%#o", uint32(mode)),
		fmt.Sprintf("size=%d", int64(size)), fmt.Sprintf("nr_inodes=%d", inodes))
	if mode&0o1000 == 0 { // not for everyone: then for the container's user
		options = append(options, fmt.Sprintf("uid=%d", c.who.uid), fmt.Sprintf("gid=%d", c.who.gid))
	}
	return specs.Mount{Destination: t.Path, Type: "tmpfs", Source: "tmpfs", Options: options}
}

// volumes gives the image's VOLUMEs, where the program expects to write, a
// tmpfs each. Docker would make anonymous volumes, which stay on the disk.
func (c *compiler) volumes(taken map[string]bool) ([]specs.Mount, error) {
	list := c.in.Image.Config.Volumes
	if len(list) > mostVolumes {
		return nil, problem.New("build the image with fewer VOLUMEs", "image %s has %d volumes, more than %d", c.in.Image.Reference, len(list), mostVolumes)
	}
	var out []specs.Mount
	for _, volume := range list {
		target := path.Clean(volume)
		if err := checkTarget(target); err != nil {
			return nil, problem.New("build the image without it", "image %s has a volume that cannot be: %w", c.in.Image.Reference, err)
		}
		if taken[target] {
			continue
		}
		taken[target] = true
		out = append(out, specs.Mount{Destination: target, Type: "tmpfs", Source: "tmpfs", Options: []string{
			"nosuid", "nodev", "noexec", "mode=0755", fmt.Sprintf("size=%d", int64(defaultVolumeSize)),
			fmt.Sprintf("nr_inodes=%d", defaultVolumeInodes),
			fmt.Sprintf("uid=%d", c.who.uid), fmt.Sprintf("gid=%d", c.who.gid),
		}})
		c.decide(Decision{
			Setting: "tmpfs " + target, Value: defaultVolumeSize.String(), Source: fromImage,
			Why: "a volume of the image; it is empty, and forgotten at the end: use -v NAME:" + target + " to keep it",
		})
	}
	return out, nil
}

// mountPoints lists what must exist in the root filesystem for the mounts to
// land on. Those below another mount are libcontainer's to make there.
func (c *compiler) mountPoints() {
	r := &c.plan.Rootfs
	files := map[string]bool{}
	for _, b := range c.in.Request.Binds {
		files[b.Target] = !b.IsDir
	}
	if c.in.Image.Program != "" {
		files[c.in.Image.ProgramPath] = true
	}
	for _, m := range c.oci.Mounts {
		switch {
		case c.covered(m.Destination):
		case files[m.Destination]:
			if !slices.ContainsFunc(r.Files, func(f File) bool { return f.Path == m.Destination }) {
				r.FileMounts = append(r.FileMounts, m.Destination)
			}
		default:
			r.Dirs = append(r.Dirs, m.Destination)
		}
	}
	if cwd := c.oci.Process.Cwd; cwd != "/" && !c.covered(cwd) {
		r.Dirs = append(r.Dirs, cwd)
	}
	slices.Sort(r.Dirs)
	r.Dirs = slices.Compact(r.Dirs)
	slices.Sort(r.FileMounts)
}

// covered reports whether a mount lies over a parent of target.
func (c *compiler) covered(target string) bool {
	return slices.ContainsFunc(c.oci.Mounts, func(m specs.Mount) bool { return below(target, m.Destination) })
}

// below reports whether p is strictly inside dir. Both are clean.
func below(p, dir string) bool {
	return dir == "/" && p != "/" || strings.HasPrefix(p, dir+"/")
}

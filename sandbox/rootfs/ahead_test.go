package rootfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

func memory(at string, options ...string) specs.Mount {
	return specs.Mount{Destination: at, Type: "tmpfs", Source: "tmpfs", Options: append([]string{"nosuid", "nodev", "noexec", "mode=1777", "size=64k"}, options...)}
}

func bound(at string) specs.Mount {
	return specs.Mount{Destination: at, Type: "bind", Source: "/etc", Options: []string{"rbind"}}
}

var ownDev = specs.Mount{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "noexec", "strictatime", "mode=755", "size=64k"}}

// places are where mounts are to go, in their order.
func places(mounts []specs.Mount) (out []string) {
	for _, m := range mounts {
		out = append(out, m.Type+" "+m.Destination)
	}
	return out
}

// TestAheadLeavesWhatIsUnusual: what MountAhead cannot do exactly as libcontainer
// would is libcontainer's to do, or to refuse.
func TestAheadLeavesWhatIsUnusual(t *testing.T) {
	needRoot(t)
	plan := spec.Rootfs{Source: image(t), IDMap: true, ReadOnly: true, Dirs: []string{"run", "tmp"}}
	for name, c := range map[string]struct {
		mounts []specs.Mount
		left   []string
	}{
		"plain":             {[]specs.Mount{memory("/tmp"), memory("/run", "uid=7", "gid=8")}, nil},
		"another kind":      {[]specs.Mount{{Destination: "/tmp", Type: "proc", Source: "proc"}}, []string{"proc /tmp"}},
		"a link":            {[]specs.Mount{memory("/etc")}, []string{"tmpfs /etc"}},
		"below a link":      {[]specs.Mount{memory("/etc/x")}, []string{"tmpfs /etc/x"}},
		"a way out":         {[]specs.Mount{memory("/../../tmp/../..")}, []string{"tmpfs /../../tmp/../.."}},
		"not there":         {[]specs.Mount{memory("/none")}, []string{"tmpfs /none"}},
		"a relative place":  {[]specs.Mount{memory("tmp")}, []string{"tmpfs tmp"}},
		"read-only":         {[]specs.Mount{memory("/tmp", "ro")}, []string{"tmpfs /tmp"}},
		"copied up":         {[]specs.Mount{memory("/tmp", "tmpcopyup")}, []string{"tmpfs /tmp"}},
		"somebody else's":   {[]specs.Mount{memory("/tmp", "uid=65536")}, []string{"tmpfs /tmp"}},
		"unknown":           {[]specs.Mount{memory("/tmp", "huge=always")}, []string{"tmpfs /tmp"}},
		"its own ids":       {[]specs.Mount{{Destination: "/tmp", Type: "tmpfs", Options: []string{"mode=755"}, UIDMappings: []specs.LinuxIDMapping{{Size: 1}}}}, []string{"tmpfs /tmp"}},
		"over one":          {[]specs.Mount{bound("/usr/etc"), memory("/usr")}, []string{"bind /usr/etc", "tmpfs /usr"}},
		"below one":         {[]specs.Mount{bound("/usr"), memory("/usr/etc")}, []string{"bind /usr", "tmpfs /usr/etc"}},
		"in its place":      {[]specs.Mount{bound("/tmp"), memory("/tmp")}, []string{"bind /tmp", "tmpfs /tmp"}},
		"under a later one": {[]specs.Mount{memory("/tmp"), bound("/tmp")}, []string{"bind /tmp"}},
		"through a link":    {[]specs.Mount{bound("/etc"), memory("/usr/etc"), memory("/tmp")}, []string{"bind /etc", "tmpfs /usr/etc", "tmpfs /tmp"}},
		"beside one":        {[]specs.Mount{bound("/usr"), memory("/tmp")}, []string{"bind /usr"}},
		"devices":           {[]specs.Mount{ownDev, memory("/dev/shm")}, []string{"bind /dev"}},
		"without devices":   {[]specs.Mount{memory("/dev/shm")}, []string{"tmpfs /dev/shm"}},
		"a deep device":     {[]specs.Mount{ownDev, memory("/dev/a/b")}, []string{"bind /dev", "tmpfs /dev/a/b"}},
		"over a device":     {[]specs.Mount{ownDev, bound("/dev/shm"), memory("/dev/shm")}, []string{"bind /dev", "bind /dev/shm", "tmpfs /dev/shm"}},
	} {
		t.Run(name, func(t *testing.T) {
			assembledIn(t, plan, func(root, dir string) error {
				oci := &specs.Spec{Mounts: c.mounts, Linux: &specs.Linux{}}
				rest, err := MountAhead(oci, root, dir, testIDs)
				if err != nil {
					return err
				}
				if left := places(rest.Mounts); !slices.Equal(left, c.left) {
					t.Errorf("left: %q", left)
				}
				if len(oci.Mounts) != len(c.mounts) {
					t.Error("the plan itself was changed")
				}
				return nil
			})
		})
	}
	devices := &specs.Spec{Mounts: []specs.Mount{ownDev}, Linux: &specs.Linux{Devices: []specs.LinuxDevice{{Path: "/dev/fuse"}}}}
	assembledIn(t, plan, func(root, dir string) error {
		rest, err := MountAhead(devices, root, dir, testIDs)
		if err == nil && !slices.Equal(places(rest.Mounts), []string{"tmpfs /dev"}) {
			t.Errorf("with a device of its own: %q", places(rest.Mounts))
		}
		return err
	})
}

// TestAhead: what is mounted is what was asked for.
func TestAhead(t *testing.T) {
	needRoot(t)
	plan := spec.Rootfs{Source: image(t), IDMap: true, ReadOnly: true, Dirs: []string{"run", "tmp"}}
	assembledIn(t, plan, func(root, dir string) error {
		oci := &specs.Spec{Mounts: []specs.Mount{ownDev, memory("/dev/shm"), memory("/tmp"), memory("/run", "uid=7", "gid=8", "mode=0750")}, Linux: &specs.Linux{}}
		rest, err := MountAhead(oci, root, dir, testIDs)
		if err != nil {
			return err
		}
		dev := rest.Mounts[0].Source
		for path, want := range map[string]struct {
			flags    int64
			uid, gid uint32
			mode     uint32
		}{
			root + "/tmp": {unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC, 0, 0, 0o1777},
			root + "/run": {unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC, 7, 8, 0o750},
			dev:           {unix.ST_NOSUID | unix.ST_NOEXEC, 0, 0, 0o755},
			dev + "/shm":  {unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC, 0, 0, 0o1777},
		} {
			var fs unix.Statfs_t
			var st unix.Stat_t
			if err := errors.Join(unix.Statfs(path, &fs), unix.Stat(path, &st)); err != nil {
				return err
			}
			const asked = unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC | unix.ST_RDONLY
			if fs.Type != unix.TMPFS_MAGIC || fs.Flags&asked != want.flags || int64(fs.Blocks)*fs.Bsize != 64<<10 {
				t.Errorf("%s: type %#x, flags %#x, %d bytes", path, fs.Type, fs.Flags, int64(fs.Blocks)*fs.Bsize)
			}
			if st.Uid != testIDs.First+want.uid || st.Gid != testIDs.First+want.gid || st.Mode&0o7777 != want.mode {
				t.Errorf("%s: %d:%d, %#o", path, st.Uid, st.Gid, st.Mode&0o7777)
			}
		}
		return devicesAre(dev)
	})
}

// devicesAre says which of a /dev is not what libcontainer would make.
func devicesAre(dev string) error {
	numbers := map[string]uint64{
		"null": unix.Mkdev(1, 3), "zero": unix.Mkdev(1, 5), "full": unix.Mkdev(1, 7), "random": unix.Mkdev(1, 8), "urandom": unix.Mkdev(1, 9), "tty": unix.Mkdev(5, 0),
	}
	links := map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx", "core": "/proc/kcore"}
	entries, err := os.ReadDir(dev)
	if err != nil {
		return err
	}
	for _, e := range entries {
		at, name := filepath.Join(dev, e.Name()), e.Name()
		var st unix.Stat_t
		if err := unix.Lstat(at, &st); err != nil {
			return err
		}
		target, _ := os.Readlink(at) // none is ""
		switch {
		case numbers[name] != 0 && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == numbers[name]:
		case links[name] != "" && target == links[name] && st.Uid == testIDs.First:
		case name == "shm":
		default:
			return fmt.Errorf("/dev/%s: mode %#o, device %#x, owner %d, to %q", name, st.Mode, st.Rdev, st.Uid, target)
		}
	}
	if len(entries) < len(numbers)+len(links) {
		return errors.New("something is missing: " + strings.Join(names(entries), " "))
	}
	return nil
}

func names(entries []os.DirEntry) (out []string) {
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

package rootfs

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

var groupMount = specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}}

// TestGroupsAheadLeavesWhatIsUnusual: control groups that can be written to, or are
// not those of a namespace of their own, are libcontainer's to mount.
func TestGroupsAheadLeavesWhatIsUnusual(t *testing.T) {
	writable, strange := groupMount, groupMount
	writable.Options = []string{"nosuid"}
	strange.Options = append(slices.Clone(groupMount.Options), "nsdelegate")
	own := []specs.LinuxNamespace{{Type: specs.CgroupNamespace}}
	for name, c := range map[string]struct {
		mount  specs.Mount
		spaces []specs.LinuxNamespace
		want   bool
	}{
		"plain":                 {groupMount, own, true},
		"writable":              {writable, own, false},
		"unknown option":        {strange, own, false},
		"the host's namespace":  {groupMount, nil, false},
		"another's namespace":   {groupMount, []specs.LinuxNamespace{{Type: specs.CgroupNamespace, Path: "/proc/1/ns/cgroup"}}, false},
		"none":                  {memory("/tmp"), own, false},
		"bound from elsewhere":  {specs.Mount{Destination: "/sys/fs/cgroup", Type: "bind", Options: []string{"ro"}}, own, false},
		"something else's type": {memory("/sys/fs/cgroup", "ro"), own, false},
	} {
		oci := &specs.Spec{Mounts: []specs.Mount{bound("/x"), c.mount}, Linux: &specs.Linux{Namespaces: c.spaces}}
		rest, ahead := GroupsAhead(oci, "/dir")
		if ahead != c.want {
			t.Errorf("%s: %v", name, ahead)
		}
		if ahead && !slices.Equal(places(rest.Mounts), []string{"bind /x", "bind /sys/fs/cgroup"}) {
			t.Errorf("%s: %q", name, places(rest.Mounts))
		}
		if !slices.Equal(places(oci.Mounts), places([]specs.Mount{bound("/x"), c.mount})) {
			t.Errorf("%s: the plan itself was changed", name)
		}
	}
}

// TestShowGroups: the groups are there under their names, with links for those that
// are mounted together, and nothing of it can be written to.
func TestShowGroups(t *testing.T) {
	needRoot(t)
	own := t.TempDir() // what is bound need not be a control group
	if err := os.WriteFile(filepath.Join(own, "limit"), []byte("7"), 0o644); err != nil {
		t.Fatal(err)
	}
	assembledIn(t, spec.Rootfs{Source: image(t), IDMap: true, ReadOnly: true}, func(_, dir string) error {
		if err := ShowGroups(dir, map[string]string{"pids": own, "cpu,cpuacct": own}); err != nil {
			return err
		}
		at := filepath.Join(dir, "cgroup")
		for _, name := range []string{"pids", "cpu,cpuacct", "cpu", "cpuacct"} {
			if text, err := os.ReadFile(filepath.Join(at, name, "limit")); err != nil || string(text) != "7" {
				t.Errorf("%s: %q, %v", name, text, err)
			}
		}
		for _, file := range []string{"pids/limit", "cpu/new", "new"} {
			if err := os.WriteFile(filepath.Join(at, file), nil, 0o644); !errors.Is(err, unix.EROFS) {
				t.Errorf("writing %s: %v", file, err)
			}
		}
		var how unix.Statfs_t
		const flags = unix.ST_RDONLY | unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC
		if err := unix.Statfs(filepath.Join(at, "pids"), &how); err != nil || how.Flags&flags != flags {
			t.Errorf("mounted with %#x, %v", how.Flags, err)
		}
		return nil
	})
}

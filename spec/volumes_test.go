package spec_test

import (
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

func volumeOf(name, target string) spec.Volume {
	return spec.Volume{Name: name, Source: "/var/lib/safe-run/volumes/" + name + "/_data", Target: target, Flag: "--volume " + name + ":" + target}
}

func withVolumes(t testing.TB, volumes ...spec.Volume) spec.Input {
	in := input(t, "default")
	in.Request.Volumes = volumes
	return in
}

// TestVolumeMount: a volume has the whole range of ids, no more rights than a
// bind mount, and is held as it is mounted.
func TestVolumeMount(t *testing.T) {
	cache := volumeOf("cache", "/cache")
	cache.ReadOnly, cache.Exec, cache.NoCopy, cache.Anonymous, cache.AutoRemove = true, true, true, true, true
	in := withVolumes(t, volumeOf("data", "/data"), cache)
	plan := compile(t, in)
	m := mountAt(t, plan, "/data")
	want := []specs.LinuxIDMapping{{ContainerID: 0, HostID: in.Instance.IDs.First, Size: in.Instance.IDs.Count}}
	if m.Source != "/var/lib/safe-run/volumes/data/_data" || !slices.Equal(m.UIDMappings, want) || !slices.Equal(m.GIDMappings, want) {
		t.Errorf("%+v", m)
	}
	for _, option := range []string{"bind", "rprivate", "nosuid", "nodev", "noexec", "rw", "idmap"} {
		if !slices.Contains(m.Options, option) {
			t.Errorf("not %s: %q", option, m.Options)
		}
	}
	m = mountAt(t, plan, "/cache")
	if slices.Contains(m.Options, "noexec") || !slices.Contains(m.Options, "ro") || !slices.Contains(m.Options, "nosuid") || !slices.Contains(m.Options, "nodev") {
		t.Errorf("%q", m.Options)
	}
	if decision(t, plan, "mount /cache").Weakens == "" || decision(t, plan, "mount /data").Weakens != "" {
		t.Error("what exec gives up is not said, or what nothing does")
	}
	if len(plan.Volumes) != 2 || !slices.Contains(plan.Rootfs.Dirs, "/data") {
		t.Fatalf("%+v, %q", plan.Volumes, plan.Rootfs.Dirs)
	}
	use := plan.Volumes[1]
	if use.Name != "cache" || use.Destination != "/cache" || !use.ReadOnly || !use.NoCopy || !use.Anonymous || !use.AutoRemove || !use.Mapped ||
		use.UID != plan.OCI.Process.User.UID || use.GID != plan.OCI.Process.User.GID {
		t.Errorf("%+v", use)
	}
}

// TestVolumeInPlace: what the image or the profile would have there is not.
func TestVolumeInPlace(t *testing.T) {
	in := withVolumes(t, volumeOf("tmp", "/tmp"), volumeOf("data", "/var/cache/app"))
	in.Image.Config.Volumes = []string{"/var/cache/app"}
	plan := compile(t, in)
	for _, target := range []string{"/tmp", "/var/cache/app"} {
		n := 0
		for _, m := range plan.OCI.Mounts {
			if m.Destination == target {
				n++
			}
		}
		if n != 1 || mountAt(t, plan, target).Type != "bind" {
			t.Errorf("%s is mounted %d times", target, n)
		}
	}
}

func TestVolumeRefused(t *testing.T) {
	refused := func(what string, in spec.Input, text string) {
		t.Helper()
		_, err := spec.Compile(in)
		if err == nil || !strings.Contains(err.Error(), text) || problem.HintOf(err) == "" {
			t.Errorf("%s: %v, hint %q", what, err, problem.HintOf(err))
		}
	}
	refused("twice", withVolumes(t, volumeOf("data", "/data"), volumeOf("more", "/data")), "two mounts at /data")
	in := withVolumes(t, volumeOf("data", "/data"))
	in.Request.Binds = []spec.Bind{bindOf("/srv/x", "/data")}
	refused("over a bind", in, "two mounts at /data")
	for _, target := range []string{"/", "/proc/x", "/dev/null", "/sys", "/dev", "relative", "/a/../b"} {
		refused(target, withVolumes(t, volumeOf("data", target)), "mount --volume data:"+target)
	}
	v := volumeOf("data", "/data")
	v.Source = "volumes/data/_data"
	refused("relative", withVolumes(t, v), "not a clean absolute path")

	in = withVolumes(t, volumeOf("data", "/data"))
	in.Profile.Mounts.Volumes = ptr(false)
	refused("by the profile", in, "the profile allows no volumes")
	in.Profile.Mounts.Volumes = nil
	refused("by nobody's leave", in, "the profile allows no volumes")

	in = withVolumes(t, volumeOf("data", "/data"))
	floor := profiles.Profile{Mounts: profiles.Mounts{Volumes: ptr(false)}}
	in.Profile = profiles.Tighten(in.Profile, floor)
	refused("by the floor", in, "the profile allows no volumes")
	in.Profile = profiles.Tighten(input(t, "default").Profile, profiles.Profile{})
	compile(t, in) // a floor that says nothing
}

// TestVolumeWithoutIDs: without idmapped mounts its files would be nobody's.
func TestVolumeWithoutIDs(t *testing.T) {
	in := withVolumes(t, volumeOf("data", "/data"))
	in.Host.IDMappedMounts = spec.No
	in.Profile.Accept = append(in.Profile.Accept, profiles.Accept{Name: profiles.WeakIDMappedMounts, Why: "tested"})
	if _, err := spec.Compile(in); err == nil || !strings.Contains(err.Error(), "this host has no idmapped mounts") {
		t.Errorf("%v", err)
	}
}

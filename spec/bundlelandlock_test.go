package spec_test

import (
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
)

// TestBundleLandlock: what the mounts of a bundle say, as libcontainer reads them,
// is said again, and no more.
func TestBundleLandlock(t *testing.T) {
	in := bundleInput(t)
	in.Host.Landlock = 7
	bind := func(at string, options ...string) specs.Mount {
		return specs.Mount{Destination: at, Type: "bind", Source: "/srv/data", Options: append([]string{"rbind"}, options...)}
	}
	in.OCI.Mounts = append(in.OCI.Mounts,
		bind("/fixed", "rw", "ro"), bind("/open", "ro", "rw"), bind("relative/../up", "rw"), bind("/fixed/open"),
		bind("/twice"), bind("/twice/", "ro"), bind("/kernel", "rw", "noexec"),
		specs.Mount{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"ro"}},
		specs.Mount{Destination: "/dev/pts", Type: "devpts", Source: "devpts"},
	)
	in.OCI.Mounts[len(in.OCI.Mounts)-3].Type = "sysfs" // which says nothing of a bind mount
	l := meetBundle(t, in).Landlock
	if l == nil || l.ABI != 7 || !l.NoBind || !l.NoConnect {
		t.Fatalf("got %+v", l)
	}
	write := []string{spec.LandlockExecute, spec.LandlockMake, spec.LandlockWrite}
	for path, want := range map[string][]string{
		"/": {spec.LandlockExecute, spec.LandlockRead}, "/proc": {spec.LandlockWrite}, "/sys": nil,
		"/tmp": {spec.LandlockMake, spec.LandlockWrite}, "/etc/hosts": write, "/data": write,
		"/fixed": {spec.LandlockExecute}, "/fixed/open": write, "/open": write, "/up": write,
		"/twice": {spec.LandlockExecute}, "/kernel": {spec.LandlockMake, spec.LandlockWrite},
		"/dev/pts": {spec.LandlockIoctl, spec.LandlockMake, spec.LandlockWrite}, "/dev": {spec.LandlockExecute, spec.LandlockIoctl, spec.LandlockWrite},
	} {
		if got := given(l, path); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	bare := bundleInput(t)
	bare.Host.Landlock = 7 // its devices are in the root
	l = meetBundle(t, bare).Landlock
	if got, want := given(l, "/dev/null"), []string{spec.LandlockIoctl, spec.LandlockWrite}; !slices.Equal(got, want) {
		t.Errorf("a device of a root without /dev: %v, want %v", got, want)
	}
	if got, want := given(l, "/"), []string{spec.LandlockExecute, spec.LandlockRead}; !slices.Equal(got, want) {
		t.Errorf("a root without /dev: %v, want %v", got, want)
	}
	open := bundleInput(t)
	open.Host.Landlock, open.OCI.Root.Readonly, open.Profile.Rootfs.ReadOnly, open.Profile.Rootfs.Why = 7, false, new(false), "a test"
	if got := given(meetBundle(t, open).Landlock, "/"); !slices.Contains(got, spec.LandlockMake) {
		t.Errorf("a root that is written: %v", got)
	}
}

// TestBundleLandlockIsLeftOut: where it cannot be, or by the profile's word.
func TestBundleLandlockIsLeftOut(t *testing.T) {
	for name, change := range map[string]func(*spec.BundleInput){
		"no Landlock": func(in *spec.BundleInput) { in.Host.Landlock = 1 },
		"accepted": func(in *spec.BundleInput) {
			in.Profile.Accept = append(in.Profile.Accept, profiles.Accept{Name: profiles.WeakLandlock, Why: "a test"})
		},
		"mount(2)": func(in *spec.BundleInput) {
			in.Profile.Seccomp.Allow = append(in.Profile.Seccomp.Allow, profiles.Syscall{Name: "mount", Why: "a test"})
		},
	} {
		in := bundleInput(t)
		in.Host.Landlock = 7
		change(&in)
		if met := meetBundle(t, in); met.Landlock != nil || !slices.ContainsFunc(met.Decisions, func(d spec.Decision) bool { return d.Setting == "landlock" }) {
			t.Errorf("%s: %+v", name, met.Landlock)
		}
	}
}

// TestBundleSharedMemory: what an engine has mounted before, and binds, is held to
// what the profile says of memory; and no mount of the host appears inside.
func TestBundleSharedMemory(t *testing.T) {
	for _, exec := range []bool{false, true} {
		in := bundleInput(t)
		in.Profile.Mounts.Tmpfs = append(in.Profile.Mounts.Tmpfs[:0:0], profiles.Tmpfs{Path: "/dev/shm", Exec: new(exec), Why: "a test"})
		in.OCI.Mounts = append(in.OCI.Mounts, specs.Mount{Destination: "/dev/shm", Type: "bind", Source: "/srv/shm", Options: []string{"rbind", "exec"}})
		met := meetBundle(t, in)
		last := met.OCI.Mounts[len(met.OCI.Mounts)-1]
		if slices.Contains(last.Options, "noexec") == exec || slices.Contains(last.Options, "exec") != exec {
			t.Errorf("executed %t: %v", exec, last.Options)
		}
		if met.OCI.Linux.RootfsPropagation != "rprivate" {
			t.Errorf("propagation %q", met.OCI.Linux.RootfsPropagation)
		}
	}
}

// TestBundlePlan: what an engine joins a container to is its own, unless it is the
// host's.
func TestBundlePlan(t *testing.T) {
	in := bundleInput(t)
	in.Profile.Accept = append(in.Profile.Accept, profiles.Accept{Name: profiles.WeakUserNamespace, Why: "a test"})
	in.Encloses = true
	in.HostNamespaces = []specs.LinuxNamespaceType{specs.UserNamespace}
	in.OCI.Linux.Namespaces[0].Path = "/proc/1/ns/user"
	plan, err := spec.BundlePlan(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, ns := range plan.OCI.Linux.Namespaces {
		if ns.Type == specs.UserNamespace || ns.Path != "" {
			t.Errorf("%+v", ns)
		}
	}
	if !plan.Rootfs.ReadOnly || plan.Network.Mode != spec.NetworkBridge || plan.Network.UnprivilegedPortStart != 1024 || plan.RootAllowed {
		t.Errorf("%+v, %+v", plan.Rootfs, plan.Network)
	}
}

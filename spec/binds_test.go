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

func bindOf(source, target string) spec.Bind {
	return spec.Bind{Source: source, Target: target, IsDir: true, OwnerUID: 1000, OwnerGID: 100, Flag: source + ":" + target}
}

func withBinds(t testing.TB, binds ...spec.Bind) spec.Input {
	in := input(t, "default")
	in.Request.Binds = binds
	return in
}

func mountAt(t *testing.T, plan *spec.Plan, target string) specs.Mount {
	t.Helper()
	i := slices.IndexFunc(plan.OCI.Mounts, func(m specs.Mount) bool { return m.Destination == target })
	if i < 0 {
		t.Fatalf("nothing is mounted at %s", target)
	}
	return plan.OCI.Mounts[i]
}

// sources that no container gets without leave, by name or by containing one.
var sensitive = []string{
	"/", "/proc", "/proc/1", "/sys/fs/cgroup", "/etc", "/etc/ssl", "/dev", "/dev/sda", "/boot", "/root", "/var", "/run", "/var/lib",
	"/var/run", "/var/run/docker.sock", "/run/docker.sock", "/srv/docker.sock", "/home/u/podman/podman.sock", "/run/containerd",
	"/run/containerd/containerd.sock", "/run/crio/crio.sock", "/var/lib/docker", "/var/lib/docker/volumes/x",
	"/var/lib/containers/storage", "/var/lib/kubelet/pods", "/var/lib/safe-run/images", "/run/safe-run", "/run/systemd/private",
	"/run/dbus/system_bus_socket", "/home/u/.ssh", "/home/u/.ssh/id_ed25519", "/home/u/.docker/config.json", "/root/.kube",
	"/run/user", "/run/user/1000", "/var/run/user/1000/bus", "/run/user/1000/systemd/private", "/run/user/0/podman",
	"/run/libvirt/libvirt-sock", "/var/snap/lxd/common/lxd/unix.socket", "/run/k3s/containerd/containerd.sock",
}

func TestSensitiveSources(t *testing.T) {
	for _, source := range sensitive {
		b := bindOf(source, "/data")
		b.ReadOnly = true
		_, err := spec.Compile(withBinds(t, b))
		if err == nil || !strings.Contains(problem.HintOf(err), "mounts.hostPaths") {
			t.Errorf("%s: error %v, hint %q", source, err, problem.HintOf(err))
		}
		in := withBinds(t, b)
		in.Profile.Mounts.HostPaths = []profiles.HostPath{{Path: source, Why: "tested"}}
		plan := compile(t, in)
		if decision(t, plan, "host path").Weakens == "" {
			t.Errorf("%s: nothing is given up", source)
		}
		in.Request.Binds[0].ReadOnly = false
		if _, err := spec.Compile(in); err == nil || !strings.Contains(problem.HintOf(err), "write: true") {
			t.Errorf("%s, writable: error %v", source, err)
		}
		in.Profile.Mounts.HostPaths[0].Write = ptr(true)
		compile(t, in)
	}
	for _, source := range []string{"/srv", "/home", "/home/u", "/root/project", "/opt/app", "/var/www", "/tmp/x", "/variable", "/etcetera", "/run/user/1000/x", "/run/username", "/usrlocal"} {
		compile(t, withBinds(t, bindOf(source, "/data")))
	}
}

// TestHostProgramsAreNotWritten: the host's programs may be read, not changed.
func TestHostProgramsAreNotWritten(t *testing.T) {
	for _, source := range []string{"/usr", "/usr/local/bin", "/usr/share/zoneinfo", "/bin", "/sbin", "/lib", "/lib64"} {
		b := bindOf(source, "/data")
		if _, err := spec.Compile(withBinds(t, b)); err == nil || !strings.Contains(problem.HintOf(err), "mounts.hostPaths in the profile: {path: "+source+", write: true, why: ...}") {
			t.Errorf("%s, writable: error %v", source, err)
		}
		b.ReadOnly = true
		compile(t, withBinds(t, b))
		b.ReadOnly = false
		in := withBinds(t, b)
		in.Profile.Mounts.HostPaths = []profiles.HostPath{{Path: source, Write: ptr(true), Why: "tested"}}
		compile(t, in)
	}
}

// TestOwnTargets: neither a mount nor an image's volume lies over what the
// container is made of.
func TestOwnTargets(t *testing.T) {
	for _, target := range []string{
		"/dev", "/dev/null", "/dev/pts", "/dev/pts/0", "/dev/fd", "/dev/console", "/dev/stdin", spec.InitPath, spec.InitPath + "/x",
	} {
		if _, err := spec.Compile(withBinds(t, bindOf("/srv/data", target))); err == nil || problem.HintOf(err) == "" {
			t.Errorf("a mount at %s: error %v, hint %q", target, err, problem.HintOf(err))
		}
		in := withBinds(t)
		in.Image.Config.Volumes = []string{target}
		if _, err := spec.Compile(in); err == nil || problem.HintOf(err) == "" {
			t.Errorf("a volume at %s: error %v, hint %q", target, err, problem.HintOf(err))
		}
		in = withBinds(t)
		in.Profile.Mounts.Tmpfs = []profiles.Tmpfs{{Path: target}}
		if _, err := spec.Compile(in); err == nil || problem.HintOf(err) == "" {
			t.Errorf("a tmpfs at %s: error %v, hint %q", target, err, problem.HintOf(err))
		}
	}
	compile(t, withBinds(t, bindOf("/srv/log", "/dev/log")))
}

// TestHostPathsAreNamedOneByOne: leave for one place is no leave for another.
func TestHostPathsAreNamedOneByOne(t *testing.T) {
	in := withBinds(t, bindOf("/etc/ssl/certs", "/data"))
	in.Request.Binds[0].ReadOnly = true
	in.Profile.Mounts.HostPaths = []profiles.HostPath{{Path: "/etc/ssl", Why: "certificates"}}
	compile(t, in)
	for _, other := range []string{"/etc", "/etc/sslx", "/etc/shadow", "/"} {
		in.Request.Binds[0].Source = other
		if _, err := spec.Compile(in); err == nil {
			t.Errorf("/etc/ssl opens %s", other)
		}
	}
}

func TestTargets(t *testing.T) {
	for _, target := range []string{"", "/", "data", "/a/../b", "/a/", "/proc", "/proc/self", "/sys", "/sys/fs", "/dev", "/x\x00y"} {
		if _, err := spec.Compile(withBinds(t, bindOf("/srv", target))); err == nil {
			t.Errorf("%q is taken as a target", target)
		}
	}
	if _, err := spec.Compile(withBinds(t, bindOf("/srv", "/data"), bindOf("/opt", "/data"))); err == nil {
		t.Error("two mounts at one place")
	}
}

func TestBindMount(t *testing.T) {
	m := mountAt(t, compile(t, withBinds(t, bindOf("/srv", "/data"))), "/data")
	want := []string{"bind", "rprivate", "nosuid", "nodev", "noexec", "rw", "idmap"}
	if !slices.Equal(m.Options, want) {
		t.Errorf("options %v, want %v", m.Options, want)
	}
	// The owner on the host is the container's user, and nobody else is anybody.
	uid := specs.LinuxIDMapping{ContainerID: 1000, HostID: 131072 + 65532, Size: 1}
	gid := specs.LinuxIDMapping{ContainerID: 100, HostID: 131072 + 65532, Size: 1}
	if !slices.Equal(m.UIDMappings, []specs.LinuxIDMapping{uid}) || !slices.Equal(m.GIDMappings, []specs.LinuxIDMapping{gid}) {
		t.Errorf("ids %v %v", m.UIDMappings, m.GIDMappings)
	}

	b := bindOf("/srv", "/data")
	b.ReadOnly, b.Exec = true, true
	m = mountAt(t, compile(t, withBinds(t, b)), "/data")
	if slices.Contains(m.Options, "noexec") || !slices.Contains(m.Options, "ro") || !slices.Contains(m.Options, "nosuid") {
		t.Errorf("options %v", m.Options)
	}
}

// TestBindOverTmpfs: what the user asks for replaces the profile's tmpfs.
func TestBindOverTmpfs(t *testing.T) {
	plan := compile(t, withBinds(t, bindOf("/srv", "/tmp"), bindOf("/srv/x", "/var/cache/app")))
	for _, target := range []string{"/tmp", "/var/cache/app"} {
		if m := mountAt(t, plan, target); m.Type != "bind" {
			t.Errorf("%s is a %s", target, m.Type)
		}
	}
}

func TestMountPoints(t *testing.T) {
	file := bindOf("/srv/app.conf", "/etc/app.conf")
	file.IsDir = false
	hosts := bindOf("/srv/hosts", "/etc/hosts")
	hosts.IsDir = false
	plan := compile(t, withBinds(t, file, hosts, bindOf("/srv/a", "/a"), bindOf("/srv/b", "/a/b"), bindOf("/srv/t", "/tmp/t")))
	r := plan.Rootfs
	if !slices.Equal(r.FileMounts, []string{"/etc/app.conf"}) {
		t.Errorf("files %v", r.FileMounts)
	}
	if want := []string{"/a", "/app", "/dev", "/proc", "/run", "/sys", "/tmp", "/var/cache/app"}; !slices.Equal(r.Dirs, want) {
		t.Errorf("directories %v, want %v", r.Dirs, want)
	}
	at := func(target string) int {
		return slices.IndexFunc(plan.OCI.Mounts, func(m specs.Mount) bool { return m.Destination == target })
	}
	if at("/a") > at("/a/b") || at("/tmp") > at("/tmp/t") || at("/dev") > at("/dev/shm") {
		t.Error("a mount is hidden by its parent")
	}
}

// TestProgramImage: an executable that is the whole image.
func TestProgramImage(t *testing.T) {
	in := input(t, "default")
	in.Image = spec.Image{Reference: "./app", Program: "/srv/app", ProgramPath: "/app", ProgramUID: 1000, ProgramGID: 1000}
	plan := compile(t, in)
	m := mountAt(t, plan, "/app")
	if slices.Contains(m.Options, "noexec") || !slices.Contains(m.Options, "ro") || m.Source != "/srv/app" || m.UIDMappings == nil {
		t.Errorf("%+v", m)
	}
	if !slices.Equal(plan.OCI.Process.Args, []string{"/app"}) || !slices.Equal(plan.Rootfs.FileMounts, []string{"/app"}) {
		t.Errorf("%v, %v", plan.OCI.Process.Args, plan.Rootfs.FileMounts)
	}
}

package spec_test

import (
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// bundleInput is a bundle that default allows as it is.
func bundleInput(t testing.TB) spec.BundleInput {
	in := input(t, "default")
	return spec.BundleInput{Profile: in.Profile, Host: in.Host, OCI: &specs.Spec{
		Version: "1.1.0",
		Process: &specs.Process{
			Args: []string{"app"}, Cwd: "/", User: specs.User{UID: 1000, GID: 1000},
			Capabilities: &specs.LinuxCapabilities{Bounding: []string{"CAP_CHOWN"}, Effective: []string{"CAP_CHOWN"}, Permitted: []string{"CAP_CHOWN"}},
		},
		Root: &specs.Root{Path: "rootfs", Readonly: true},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"exec", "size=1g"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"rw"}},
			{Destination: "/etc/hosts", Type: "bind", Source: "/var/lib/docker/containers/x/hosts", Options: []string{"rbind", "rprivate"}},
			{Destination: "/data", Type: "bind", Source: "/srv/data", Options: []string{"rbind", "suid"}},
		},
		Linux: &specs.Linux{
			UIDMappings: []specs.LinuxIDMapping{{HostID: 100000, Size: 65536}}, GIDMappings: []specs.LinuxIDMapping{{HostID: 100000, Size: 65536}},
			Namespaces: []specs.LinuxNamespace{{Type: "user"}, {Type: "pid"}, {Type: "ipc"}, {Type: "uts"}, {Type: "mount"}, {Type: "network", Path: "/run/netns/x"}},
		},
	}}
}

func meetBundle(t testing.TB, in spec.BundleInput) *spec.Met {
	t.Helper()
	met, err := spec.MeetBundle(in)
	if err != nil {
		t.Fatal(err)
	}
	return met
}

func TestMeetBundle(t *testing.T) {
	in := bundleInput(t)
	met := meetBundle(t, in)
	if len(met.Stripped) > 0 {
		t.Errorf("stripped %+v", met.Stripped)
	}
	p, linux := met.OCI.Process, met.OCI.Linux
	if len(p.Capabilities.Bounding)+len(p.Capabilities.Effective)+len(p.Capabilities.Permitted) > 0 || !p.NoNewPrivileges || !met.OCI.Root.Readonly {
		t.Errorf("process %+v, root %+v", p.Capabilities, met.OCI.Root)
	}
	if linux.Seccomp == nil || *linux.Resources.Memory.Limit != 512<<20 || *linux.Resources.Pids.Limit != 128 || *linux.Resources.CPU.Quota != 100000 {
		t.Errorf("resources %+v", linux.Resources)
	}
	want := map[string]string{
		"/proc": "nosuid,nodev,noexec", "/tmp": "size=64m,nosuid,nodev,noexec", "/sys": "nosuid,nodev,noexec,ro",
		"/etc/hosts": "rbind,rprivate,nosuid,nodev", "/data": "rbind,nosuid,nodev",
	}
	for _, m := range met.OCI.Mounts {
		got := strings.ReplaceAll(strings.Join(m.Options, ","), "size=67108864", "size=64m")
		if got != want[m.Destination] {
			t.Errorf("%s has %s, want %s", m.Destination, got, want[m.Destination])
		}
	}
	if !slices.Contains(linux.MaskedPaths, "/proc/kcore") || !slices.Contains(linux.ReadonlyPaths, "/proc/sys") {
		t.Error("paths of the kernel are open")
	}
	if in.OCI.Process.NoNewPrivileges || len(in.OCI.Mounts[0].Options) > 0 {
		t.Error("the input was changed")
	}
}

// TestBundleWritable: a root that becomes read-only leaves places to write to,
// and hides nothing of the bundle's.
func TestBundleWritable(t *testing.T) {
	in := bundleInput(t)
	in.OCI.Root.Readonly = false
	in.OCI.Mounts = append(in.OCI.Mounts[:1], specs.Mount{Destination: "/run/.containerenv", Type: "bind", Source: "/srv/env", Options: []string{"bind"}})
	var got []string
	for _, m := range meetBundle(t, in).OCI.Mounts {
		got = append(got, m.Destination)
		if m.Type == "tmpfs" && (!slices.Contains(m.Options, "nosuid") || !slices.Contains(m.Options, "noexec")) {
			t.Errorf("%s has %v", m.Destination, m.Options)
		}
	}
	if want := []string{"/proc", "/run/.containerenv", "/tmp", "/dev/shm"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// conflicts are what default forbids; kept says whether it is still in the spec.
var conflicts = []struct {
	name   string
	change func(*spec.BundleInput)
	kept   func(*specs.Spec) bool
}{
	{"root", func(in *spec.BundleInput) { in.OCI.Process.User = specs.User{} },
		func(s *specs.Spec) bool { return s.Process.User.UID == 0 || s.Process.User.GID == 0 }},
	{"group root", func(in *spec.BundleInput) { in.OCI.Process.User.AdditionalGids = []uint32{0} },
		func(s *specs.Spec) bool { return slices.Contains(s.Process.User.AdditionalGids, 0) }},
	{"the host's pids", func(in *spec.BundleInput) {
		in.OCI.Linux.Namespaces = slices.DeleteFunc(in.OCI.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == "pid" })
	}, func(s *specs.Spec) bool {
		return !slices.Contains(s.Linux.Namespaces, specs.LinuxNamespace{Type: "pid"})
	}},
	{"the host's network by a path", func(in *spec.BundleInput) { in.HostNamespaces = []specs.LinuxNamespaceType{"network"} },
		func(s *specs.Spec) bool {
			return !slices.Contains(s.Linux.Namespaces, specs.LinuxNamespace{Type: "network"})
		}},
	{"mounts of another container", func(in *spec.BundleInput) { in.OCI.Linux.Namespaces[4].Path = "/proc/77/ns/mnt" },
		func(s *specs.Spec) bool { return s.Linux.Namespaces[4].Path != "" }},
	{"docker's socket", func(in *spec.BundleInput) { in.OCI.Mounts[4].Source = "/run/docker.sock" },
		func(s *specs.Spec) bool { return len(s.Mounts) > 4 }},
	{"the host's accounts", func(in *spec.BundleInput) { in.OCI.Mounts[3].Source = "/etc/shadow" },
		func(s *specs.Spec) bool { return len(s.Mounts) > 4 }},
	{"another container's files elsewhere", func(in *spec.BundleInput) { in.OCI.Mounts[3].Destination = "/x" },
		func(s *specs.Spec) bool { return len(s.Mounts) > 4 }},
	{"a disk", func(in *spec.BundleInput) {
		in.OCI.Mounts[4] = specs.Mount{Destination: "/d", Type: "ext4", Source: "/dev/vda"}
	},
		func(s *specs.Spec) bool { return len(s.Mounts) > 4 }},
	{"shared mounts", func(in *spec.BundleInput) { in.OCI.Mounts[4].Options = []string{"rbind", "rshared"} },
		func(s *specs.Spec) bool { return slices.Contains(s.Mounts[4].Options, "rshared") }},
	{"a shared root", func(in *spec.BundleInput) { in.OCI.Linux.RootfsPropagation = "rshared" },
		func(s *specs.Spec) bool { return s.Linux.RootfsPropagation == "rshared" }},
	{"a device", func(in *spec.BundleInput) {
		in.OCI.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/kvm", Type: "c", Major: 10, Minor: 232}}
	}, func(s *specs.Spec) bool { return len(s.Linux.Devices) > 0 }},
	{"a disk under a harmless name", func(in *spec.BundleInput) {
		in.OCI.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/null", Type: "b", Major: 1, Minor: 3}}
	}, func(s *specs.Spec) bool { return len(s.Linux.Devices) > 0 }},
	{"all devices", func(in *spec.BundleInput) {
		in.OCI.Linux.Resources = &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}}
	}, func(s *specs.Spec) bool {
		return len(s.Linux.Resources.Devices) != 1 || s.Linux.Resources.Devices[0].Allow
	}},
	{"a limit said again", func(in *spec.BundleInput) {
		in.OCI.Linux.Resources = &specs.LinuxResources{Unified: map[string]string{"memory.max": "max"}}
	}, func(s *specs.Spec) bool { return len(s.Linux.Resources.Unified) > 0 }},
	{"a unit's limit", func(in *spec.BundleInput) {
		in.OCI.Annotations = map[string]string{"org.systemd.property.MemoryMax": "1", "org.systemd.property.After": "'x'"}
	}, func(s *specs.Spec) bool { return len(s.Annotations) != 1 }},
	{"rules of its own", func(in *spec.BundleInput) {
		in.OCI.Annotations = map[string]string{"dev.safe-run.landlock": "{}", "dev.safe-run.network": "bridge"}
	}, func(s *specs.Spec) bool {
		return len(s.Annotations) != 1 || s.Annotations["dev.safe-run.network"] == ""
	}},
	{"an interface of the host", func(in *spec.BundleInput) {
		in.OCI.Linux.NetDevices = map[string]specs.LinuxNetDevice{"eth0": {}}
	}, func(s *specs.Spec) bool { return len(s.Linux.NetDevices) > 0 }},
}

func TestBundleConflicts(t *testing.T) {
	for _, c := range conflicts {
		t.Run(c.name, func(t *testing.T) {
			in := bundleInput(t)
			c.change(&in)
			if _, err := spec.MeetBundle(in); err == nil || problem.HintOf(err) == "" || strings.Contains(err.Error(), "\n") {
				t.Errorf("not refused in a line with a hint: %v", err)
			}
			in.Strip = true
			met := meetBundle(t, in)
			if len(met.Stripped) != 1 || met.Stripped[0].Why == "" || c.kept(met.OCI) {
				t.Errorf("stripped %+v, and it is still there: %v", met.Stripped, c.kept(met.OCI))
			}
		})
	}
}

// TestBundleExecve: an engine's filter that refuses execve would fail late, and
// without a reason.
func TestBundleExecve(t *testing.T) {
	for action, refused := range map[specs.LinuxSeccompAction]bool{specs.ActErrno: true, specs.ActAllow: false, specs.ActLog: false} {
		in := bundleInput(t)
		in.OCI.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{{Names: []string{"execve"}, Action: action}},
		}
		_, err := spec.MeetBundle(in)
		if (err != nil) != refused || refused && (!strings.Contains(err.Error(), "execve") || problem.HintOf(err) == "") {
			t.Errorf("%s: %v", action, err)
		}
	}
}

// TestBundleUserNamespace: what cannot be added is not left out in silence.
func TestBundleUserNamespace(t *testing.T) {
	for name, change := range map[string]func(*spec.BundleInput){
		"none":               func(in *spec.BundleInput) { in.OCI.Linux.Namespaces = in.OCI.Linux.Namespaces[1:] },
		"the host's":         func(in *spec.BundleInput) { in.HostNamespaces = []specs.LinuxNamespaceType{"user"} },
		"root is the host's": func(in *spec.BundleInput) { in.OCI.Linux.UIDMappings[0].HostID = 0 },
	} {
		in := bundleInput(t)
		change(&in)
		in.Strip = true
		if _, err := spec.MeetBundle(in); err == nil || !strings.Contains(problem.HintOf(err), "userns") {
			t.Errorf("%s: %v", name, err)
		}
		in.Profile.Accept = []profiles.Accept{{Name: profiles.WeakUserNamespace, Why: "tested"}}
		met := meetBundle(t, in)
		if !slices.ContainsFunc(met.Decisions, func(d spec.Decision) bool { return d.Setting == "user namespace" && d.Weakens != "" }) {
			t.Errorf("%s: nobody is told", name)
		}
	}
}

// TestBundleNeverLooser: of what can be compared, the meet has no more than
// either side.
func TestBundleNeverLooser(t *testing.T) {
	base := bundleInput(t)
	caps := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"CAP_CHOWN", "CAP_NET_RAW", "CAP_SYS_ADMIN", "CAP_KILL"}), rapid.ID[string])
	limit := rapid.Ptr(rapid.SampledFrom([]int64{-1, 0, 1 << 20, 64 << 20, 1 << 40}), true)
	rapid.Check(t, func(t *rapid.T) {
		in := base
		oci := *base.OCI
		in.OCI = &oci
		process, linux := *oci.Process, *oci.Linux
		oci.Process, oci.Linux = &process, &linux
		asked := caps.Draw(t, "asked")
		process.Capabilities = &specs.LinuxCapabilities{Bounding: asked, Effective: asked, Permitted: asked, Inheritable: asked, Ambient: asked}
		given := caps.Draw(t, "given")
		in.Profile.Process.Capabilities = nil
		for _, c := range given {
			in.Profile.Process.Capabilities = append(in.Profile.Process.Capabilities, profiles.Capability{Name: strings.TrimPrefix(c, "CAP_"), Why: "tested"})
		}
		hard := rapid.Uint64Range(0, 1<<20).Draw(t, "nofile")
		process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: hard, Hard: hard}, {Type: "RLIMIT_NPROC", Soft: 1, Hard: 2}}
		memory, pids, quota := limit.Draw(t, "memory"), limit.Draw(t, "pids"), limit.Draw(t, "quota")
		linux.Resources = &specs.LinuxResources{
			Memory: &specs.LinuxMemory{Limit: memory}, Pids: &specs.LinuxPids{Limit: pids}, CPU: &specs.LinuxCPU{Quota: quota},
		}
		oci.Root = &specs.Root{Readonly: rapid.Bool().Draw(t, "read-only")}
		met, err := spec.MeetBundle(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, set := range [][]string{met.Process.Capabilities.Bounding, met.Process.Capabilities.Effective, met.Process.Capabilities.Ambient} {
			for _, c := range set {
				if !slices.Contains(asked, c) || !slices.Contains(given, c) {
					t.Fatalf("%s is in %v; asked %v, given %v", c, set, asked, given)
				}
			}
		}
		for _, r := range met.Process.Rlimits {
			if r.Type == "RLIMIT_NOFILE" && (r.Hard > hard || r.Hard > 4096 || r.Soft > r.Hard) {
				t.Fatalf("%+v; asked %d", r, hard)
			}
		}
		r := met.OCI.Linux.Resources
		for _, c := range []struct {
			name       string
			got, asked *int64
			most       int64
		}{{"memory", r.Memory.Limit, memory, 512 << 20}, {"pids", r.Pids.Limit, pids, 128}, {"quota", r.CPU.Quota, quota, 100000}} {
			if c.got == nil || *c.got <= 0 || *c.got > c.most || c.asked != nil && *c.asked > 0 && *c.got > *c.asked {
				t.Fatalf("%s is %v; asked %v, given %d", c.name, c.got, c.asked, c.most)
			}
		}
		if !met.OCI.Root.Readonly || !met.Process.NoNewPrivileges {
			t.Fatal("a restriction of the profile is gone")
		}
		again := in
		again.OCI = met.OCI
		if _, err := spec.MeetBundle(again); err != nil {
			t.Fatalf("what was met conflicts: %v", err)
		}
	})
}

// TestBundleProcessesOfUser: the kernel counts the processes of a user of the host,
// whom engines give to more than one container, so that no limit is added.
func TestBundleProcessesOfUser(t *testing.T) {
	in := bundleInput(t)
	most := func() []specs.POSIXRlimit {
		return slices.DeleteFunc(meetBundle(t, in).Process.Rlimits, func(r specs.POSIXRlimit) bool { return r.Type != "RLIMIT_NPROC" })
	}
	in.OCI.Process.Rlimits = nil
	if got := most(); len(got) > 0 {
		t.Errorf("nobody has asked for %+v", got)
	}
	in.OCI.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NPROC", Soft: 8, Hard: 9}}
	if got := most(); !slices.Equal(got, in.OCI.Process.Rlimits) {
		t.Errorf("asked for %+v, got %+v", in.OCI.Process.Rlimits, got)
	}
}

func TestMeetExec(t *testing.T) {
	in := bundleInput(t)
	met := meetBundle(t, in)
	got, err := met.MeetExec(&specs.Process{
		User: specs.User{UID: 7, GID: 0}, Capabilities: &specs.LinuxCapabilities{Bounding: []string{"CAP_SYS_ADMIN"}, Effective: []string{"CAP_SYS_ADMIN"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Capabilities.Bounding)+len(got.Capabilities.Effective) > 0 || !got.NoNewPrivileges || got.User.GID != 1000 || len(got.Rlimits) == 0 {
		t.Errorf("got %+v with %+v", got, got.Capabilities)
	}
	if _, err := met.MeetExec(&specs.Process{}); err == nil || problem.HintOf(err) == "" {
		t.Errorf("root where the first process is none: %v", err)
	}
	in.OCI.Process.User, in.Strip = specs.User{}, true
	got, err = meetBundle(t, in).MeetExec(&specs.Process{})
	if err != nil || got.User.UID != 65532 || got.User.GID != 65532 {
		t.Errorf("the engine's root is not the profile's user: %+v, %v", got, err)
	}
	if _, err := (&spec.Met{}).MeetExec(&specs.Process{}); err == nil {
		t.Error("a record that says nothing allows all")
	}
}

func TestMeetUpdate(t *testing.T) {
	met := meetBundle(t, bundleInput(t))
	r := specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: ptr(int64(-1))}, Pids: &specs.LinuxPids{Limit: ptr(int64(5))},
		CPU: &specs.LinuxCPU{Quota: ptr(int64(400000)), Period: ptr(uint64(100000))},
	}
	if err := met.MeetUpdate(&r); err != nil || *r.Memory.Limit != 512<<20 || *r.Pids.Limit != 5 || *r.CPU.Quota != 100000 {
		t.Errorf("%v: memory %d, pids %d, quota %d", err, *r.Memory.Limit, *r.Pids.Limit, *r.CPU.Quota)
	}
	if err := met.MeetUpdate(&specs.LinuxResources{Unified: map[string]string{"pids.max": "max"}}); err == nil {
		t.Error("a limit was said again in another way")
	}
	if err := met.MeetUpdate(&specs.LinuxResources{}); err != nil {
		t.Error(err)
	}
}

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

// asked are fields that no profile speaks of; kept says whether one is still
// there.
var asked = []struct {
	name   string
	change func(*specs.Spec)
	kept   func(*specs.Spec) bool
}{
	{"scheduler", func(s *specs.Spec) { s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedFIFO, Priority: 99} },
		func(s *specs.Spec) bool { return s.Process.Scheduler != nil }},
	{"ioPriority", func(s *specs.Spec) { s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_RT} },
		func(s *specs.Spec) bool { return s.Process.IOPriority != nil }},
	{"execCPUAffinity", func(s *specs.Spec) { s.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: "0"} },
		func(s *specs.Spec) bool { return s.Process.ExecCPUAffinity != nil }},
	{"cgroup.procs", func(s *specs.Spec) {
		s.Linux.Resources = &specs.LinuxResources{Unified: map[string]string{"cgroup.procs": "1"}}
	},
		func(s *specs.Spec) bool { return len(s.Linux.Resources.Unified) > 0 }},
	{"cpu.max.burst", func(s *specs.Spec) {
		s.Linux.Resources = &specs.LinuxResources{Unified: map[string]string{"cpu.max.burst": "1"}}
	},
		func(s *specs.Spec) bool { return len(s.Linux.Resources.Unified) > 0 }},
	{"burst", func(s *specs.Spec) {
		s.Linux.Resources = &specs.LinuxResources{CPU: &specs.LinuxCPU{Burst: ptr(uint64(1))}}
	},
		func(s *specs.Spec) bool { return s.Linux.Resources.CPU.Burst != nil }},
	{"realtimeRuntime", func(s *specs.Spec) {
		s.Linux.Resources = &specs.LinuxResources{CPU: &specs.LinuxCPU{RealtimeRuntime: ptr(int64(-1))}}
	},
		func(s *specs.Spec) bool { return s.Linux.Resources.CPU.RealtimeRuntime != nil }},
	{"realtimePeriod", func(s *specs.Spec) {
		s.Linux.Resources = &specs.LinuxResources{CPU: &specs.LinuxCPU{RealtimePeriod: ptr(uint64(1))}}
	},
		func(s *specs.Spec) bool { return s.Linux.Resources.CPU.RealtimePeriod != nil }},
	{"type proc", func(s *specs.Spec) { s.Mounts[0].Destination = "/mnt/proc" },
		func(s *specs.Spec) bool { return len(s.Mounts) > 4 }},
	{"type sysfs", func(s *specs.Spec) { s.Mounts[2].Destination = "/mnt/sys" },
		func(s *specs.Spec) bool { return len(s.Mounts) > 4 }},
}

func TestBundleUnjudged(t *testing.T) {
	for _, c := range asked {
		t.Run(c.name, func(t *testing.T) {
			in := bundleInput(t)
			c.change(in.OCI)
			if _, err := spec.MeetBundle(in); err == nil || problem.HintOf(err) == "" || !strings.Contains(err.Error(), c.name) {
				t.Errorf("not refused by name, with a hint: %v", err)
			}
			in.Strip = true
			met := meetBundle(t, in)
			if len(met.Stripped) != 1 || c.kept(met.OCI) {
				t.Errorf("stripped %+v, and it is still there: %v", met.Stripped, c.kept(met.OCI))
			}
			if r := in.OCI.Linux.Resources; r != nil {
				if err := met.MeetUpdate(r); err == nil || problem.HintOf(err) == "" || !strings.Contains(err.Error(), c.name) {
					t.Errorf("an update is not refused by name, with a hint: %v", err)
				}
			}
			p, err := met.MeetExec(in.OCI.Process)
			if err != nil || p.Scheduler != nil || p.IOPriority != nil || p.ExecCPUAffinity != nil {
				t.Errorf("an exec has %+v, %v", p, err)
			}
		})
	}
}

// TestNothingBeyondQuota: engines write zeroes where nobody asked for anything.
func TestNothingBeyondQuota(t *testing.T) {
	in := bundleInput(t)
	in.OCI.Linux.Resources = &specs.LinuxResources{
		CPU: &specs.LinuxCPU{Burst: ptr(uint64(0)), RealtimeRuntime: ptr(int64(0)), RealtimePeriod: ptr(uint64(0))},
	}
	if err := meetBundle(t, in).MeetUpdate(in.OCI.Linux.Resources); err != nil {
		t.Error(err)
	}
}

// TestBundleMountAttributes: options that libcontainer applies last take nothing
// away that was added before, and make nothing writable that was judged as
// read-only.
func TestBundleMountAttributes(t *testing.T) {
	in := bundleInput(t)
	for i := range in.OCI.Mounts {
		in.OCI.Mounts[i].Options = append(in.OCI.Mounts[i].Options, "rrw", "rsuid", "rdev", "rexec", "rro")
	}
	met := meetBundle(t, in)
	for _, m := range met.OCI.Mounts {
		for _, o := range []string{"rrw", "rsuid", "rdev", "rexec"} {
			if slices.Contains(m.Options, o) {
				t.Errorf("%s has %v", m.Destination, m.Options)
			}
		}
		if !slices.Contains(m.Options, "rro") {
			t.Errorf("%s has lost what takes away: %v", m.Destination, m.Options)
		}
	}
	for _, option := range []string{"ro", "rrw"} {
		in := bundleInput(t)
		in.OCI.Mounts[4].Source, in.OCI.Mounts[4].Options = "/usr/lib", []string{"rbind", "ro", option}
		if _, err := spec.MeetBundle(in); (err != nil) != (option == "rrw") {
			t.Errorf("ro,%s: %v", option, err)
		}
	}
}

// TestBundleConsole: the host's console is not opened by its number.
func TestBundleConsole(t *testing.T) {
	in := bundleInput(t)
	in.OCI.Linux.Devices = []specs.LinuxDevice{
		{Path: "/dev/console", Type: "c", Major: 5, Minor: 1}, {Path: "/dev/null", Type: "c", Major: 1, Minor: 3},
	}
	linux := meetBundle(t, in).OCI.Linux
	if len(linux.Devices) != 2 || len(linux.Resources.Devices) != 2 || *linux.Resources.Devices[1].Major != 1 {
		t.Errorf("devices %+v, rules %+v", linux.Devices, linux.Resources.Devices)
	}
}

// TestExecReplaced: where the profile chose the user, an exec as the one that the
// bundle asked for is the profile's, and no exec has groups that the first
// process has not.
func TestExecReplaced(t *testing.T) {
	in := bundleInput(t)
	in.Profile.Process.UserFrom = ptr(profiles.UserFromProfile)
	in.OCI.Process.User.AdditionalGids = []uint32{20, 27}
	met := meetBundle(t, in)
	for _, c := range []struct{ asked, want specs.User }{
		{specs.User{UID: 1000, GID: 1000, Umask: ptr(uint32(7)), AdditionalGids: []uint32{20}}, specs.User{UID: 65532, GID: 65532, Umask: ptr(uint32(7))}},
		{specs.User{UID: 7, GID: 8, AdditionalGids: []uint32{20, 27}}, specs.User{UID: 7, GID: 8}},
	} {
		got, err := met.MeetExec(&specs.Process{User: c.asked})
		if err != nil {
			t.Fatal(err)
		}
		u := got.User
		if u.UID != c.want.UID || u.GID != c.want.GID || len(u.AdditionalGids) > 0 || (u.Umask == nil) != (c.want.Umask == nil) {
			t.Errorf("%+v became %+v, want %+v", c.asked, u, c.want)
		}
	}
	if met.Process.User.UID != 65532 || len(in.OCI.Process.User.AdditionalGids) != 2 {
		t.Error("the record or the input was changed")
	}
}

// TestBundlePod: of what engines keep for pods a container sees its own pod's.
func TestBundlePod(t *testing.T) {
	const kubelet, cri = "/var/lib/kubelet/pods/", "/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/"
	own := spec.Pod{UID: "u1", Sandbox: "s1"}
	for _, c := range []struct {
		pod    spec.Pod
		source string
		at     string
		ok     bool
	}{
		{own, kubelet + "u1/volumes/v", "/data", true},
		{own, cri + "s1/hostname", "/etc/hostname", true},
		{own, "/run/containerd/io.containerd.grpc.v1.cri/sandboxes/s1/shm", "/dev/shm", true},
		{own, kubelet + "u2/volumes/v", "/data", false},
		{own, kubelet + "u1/../u2/volumes/v", "/data", false},
		{own, kubelet + "u11/volumes/v", "/data", false},
		{own, cri + "s2/hostname", "/etc/hostname", false},
		{own, cri + "s1/hostname", "/data", false},
		{spec.Pod{}, kubelet + "u1/volumes/v", "/data", false},
		{spec.Pod{}, cri + "s1/hostname", "/etc/hostname", false},
		{spec.Pod{UID: "..", Sandbox: "."}, kubelet + "u2/volumes/v", "/data", false},
		{spec.Pod{UID: "a/..", Sandbox: "."}, kubelet + "u2/volumes/v", "/data", false},
		{spec.Pod{UID: "u1"}, kubelet + "u1", "/data", false},
	} {
		in := bundleInput(t)
		in.Pod = c.pod
		in.OCI.Mounts[4] = specs.Mount{Destination: c.at, Type: "bind", Source: c.source, Options: []string{"rbind"}}
		if _, err := spec.MeetBundle(in); (err == nil) != c.ok {
			t.Errorf("%+v: %s at %s: %v", c.pod, c.source, c.at, err)
		}
	}
	for _, path := range []string{"/opt/cni/bin", "/opt/nri/plugins", "/run/nri/nri.sock", "/opt"} {
		if _, sensitive := spec.Sensitive(path, false); !sensitive {
			t.Errorf("%s is anybody's", path)
		}
	}
}

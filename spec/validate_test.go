package spec_test

import (
	"encoding/json"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
)

// TestValidatePlanBites: each rule is broken once.
func TestValidatePlanBites(t *testing.T) {
	for _, c := range []struct {
		what  string
		spoil func(*spec.Plan)
		want  string
	}{
		{"no_new_privs", func(p *spec.Plan) { p.OCI.Process.NoNewPrivileges = false }, "no_new_privs"},
		{"capabilities", func(p *spec.Plan) { p.OCI.Process.Capabilities = nil }, "capability"},
		{"command", func(p *spec.Plan) { p.OCI.Process.Args = nil }, "command"},
		{"user", func(p *spec.Plan) { p.OCI.Process.User.UID = 1 << 20 }, "range"},
		{"core", func(p *spec.Plan) { p.OCI.Process.Rlimits = nil }, "core dumps"},
		{"hooks", func(p *spec.Plan) { p.OCI.Hooks = &specs.Hooks{} }, "hooks"},
		{"host pid", func(p *spec.Plan) { p.OCI.Linux.Namespaces = p.OCI.Linux.Namespaces[2:] }, "namespace"},
		{"a joined namespace", func(p *spec.Plan) { p.OCI.Linux.Namespaces[0].Path = "/proc/1/ns/user" }, "namespace"},
		{"root's ids", func(p *spec.Plan) { p.OCI.Linux.UIDMappings[0].HostID = 0 }, "ids"},
		{"a sysctl of the host", func(p *spec.Plan) { p.Namespaced = map[string]string{"kernel.panic": "0"} }, "kernel.panic"},
		{"another value", func(p *spec.Plan) { p.Namespaced["vm.memfd_noexec"] = "0" }, "memfd_noexec=0"},
		{"a shared namespace", func(p *spec.Plan) {
			p.Accepted = append(p.Accepted, "user-namespace")
			p.OCI.Linux.Namespaces = p.OCI.Linux.Namespaces[1:]
		}, "user.max_user_namespaces would be the host's"},
		{"kcore", func(p *spec.Plan) { p.OCI.Linux.MaskedPaths = nil }, "/proc/kcore"},
		{"proc/sys", func(p *spec.Plan) { p.OCI.Linux.ReadonlyPaths = nil }, "/proc/sys"},
		{"propagation", func(p *spec.Plan) { p.OCI.Linux.RootfsPropagation = "shared" }, "propagate"},
		{"cgroup", func(p *spec.Plan) { p.OCI.Linux.CgroupsPath = "/" }, "cgroup"},
		{"suid", func(p *spec.Plan) { p.OCI.Mounts[0].Options = nil }, "nosuid"},
		{"a device", func(p *spec.Plan) { p.OCI.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/sda"}} }, "device"},
		{"all devices", func(p *spec.Plan) { p.OCI.Linux.Resources.Devices = nil }, "devices"},
		{"twice", func(p *spec.Plan) { p.OCI.Mounts[1] = p.OCI.Mounts[0] }, "two mounts"},
		{"rbind", func(p *spec.Plan) { p.OCI.Mounts[0].Options = append(p.OCI.Mounts[0].Options, "rbind") }, "other mounts"},
		{"sysfs", func(p *spec.Plan) { p.OCI.Mounts[3].Options = p.OCI.Mounts[3].Options[:3] }, "/sys is writable"},
		{"tmpfs", func(p *spec.Plan) { p.OCI.Mounts[1].Options = p.OCI.Mounts[1].Options[:4] }, "not limited"},
		{"rootfs", func(p *spec.Plan) { p.OCI.Root.Readonly = false }, "two opinions"},
		{"writable", func(p *spec.Plan) { p.OCI.Root.Readonly, p.Rootfs.ReadOnly = false, false }, "not limited"},
		{"two trees", func(p *spec.Plan) { p.Rootfs.Layers = layers(1) }, "directory and layers"},
		{"too many layers", func(p *spec.Plan) { p.Rootfs.Source, p.Rootfs.Layers = "", layers(spec.MaxLayers+1) }, "500 layers"},
		{"a layer somewhere", func(p *spec.Plan) { p.Rootfs.Source, p.Rootfs.Layers = "", []string{"layers/a"} }, "clean absolute"},
		{"a layer elsewhere", func(p *spec.Plan) { p.Rootfs.Source, p.Rootfs.Layers = "", []string{"/layers/../a"} }, "clean absolute"},
		{"the host's root", func(p *spec.Plan) { p.Rootfs.Source, p.Rootfs.Layers = "", []string{"/"} }, "clean absolute"},
		{"a layer twice", func(p *spec.Plan) { p.Rootfs.Source, p.Rootfs.Layers = "", append(layers(2), layers(1)...) }, "twice"},
		{"no filter", func(p *spec.Plan) { p.OCI.Linux.Seccomp = nil }, "no system call filter"},
		{"an open filter", func(p *spec.Plan) { p.OCI.Linux.Seccomp.DefaultAction = specs.ActAllow }, "by default"},
		{"foreign calls", func(p *spec.Plan) { p.OCI.Linux.Seccomp.Architectures = []specs.Arch{specs.ArchX86, specs.ArchX86_64} }, "foreign"},
		{"clone3", func(p *spec.Plan) {
			s := p.OCI.Linux.Seccomp
			s.Syscalls = append(s.Syscalls, specs.LinuxSyscall{Names: []string{"clone3"}, Action: specs.ActAllow})
		}, "clone3"},
		{"memory", func(p *spec.Plan) { p.OCI.Linux.Resources.Memory = nil }, "memory"},
		{"cpu", func(p *spec.Plan) { p.OCI.Linux.Resources.CPU = nil }, "processor"},
		{"pids", func(p *spec.Plan) { p.OCI.Linux.Resources.Pids = nil }, "processes"},
		{"metadata", func(p *spec.Plan) { p.Network.Egress[0].Except = nil }, "169.254.0.0/16"},
		{"no network", func(p *spec.Plan) { p.Network.Mode = spec.NetworkNone }, "no network"},
		{"host network", func(p *spec.Plan) { p.Network.Mode = "host" }, "network mode"},
		{"an image without a digest", func(p *spec.Plan) { p.Trust, p.Image.Digest = &spec.Trust{RequireDigest: true}, "" }, "no digest"},
		{"an old report", func(p *spec.Plan) { p.Trust = &spec.Trust{Vulnerabilities: &spec.Vulnerabilities{Block: "high"}} }, "age"},
		{"nothing", func(p *spec.Plan) { p.OCI.Process = nil }, "not complete"},
	} {
		// A copy of its own, as a plan is when it comes from elsewhere.
		var plan spec.Plan
		if err := json.Unmarshal(marshal(t, compile(t, input(t, "worker"))), &plan); err != nil {
			t.Fatal(err)
		}
		if err := spec.ValidatePlan(&plan); err != nil {
			t.Fatalf("before %s: %v", c.what, err)
		}
		c.spoil(&plan)
		if err := spec.ValidatePlan(&plan); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.what, err, c.want)
		}
	}
}

package predict

import (
	"maps"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
)

// Control is one setting of a plan that a battery must miss when it is gone.
type Control struct {
	Name   string
	Remove func(*spec.Plan)
}

// Controls are the settings of a plan that can be taken away one at a time. Some
// hold attacks that others hold as well; the battery then sees another layer
// than predicted, and that is a finding too.
func Controls() []Control {
	return []Control{
		{"system call filter", removals[battery.Seccomp]},
		{"one rule about arguments", wholeCall("socket")},
		{"one refused call", wholeCall("mount")},
		{"capabilities", removals[battery.Capabilities]},
		{"one capability", func(p *spec.Plan) { giveCapability(p, "CAP_NET_BIND_SERVICE") }},
		{"user namespace", hostUsers},
		{"no root", asRoot},
		// In a user namespace of its own a container cannot mount the host's sysfs.
		{"network namespace", hostNetwork},
		// The sysctls of a namespace go with it: they would be the host's.
		{"IPC namespace", func(p *spec.Plan) {
			shareNamespace(p, specs.IPCNamespace)
			dropSysctls(p, "kernel.")
			dropMount(p, "/dev/mqueue")
		}},
		{"UTS namespace", func(p *spec.Plan) { shareNamespace(p, specs.UTSNamespace); p.OCI.Hostname, p.OCI.Domainname = "", "" }},
		// Nor can it mount a proc of the host's processes.
		{"pid namespace", func(p *spec.Plan) { shareNamespace(p, specs.PIDNamespace); dropSysctls(p, "vm."); hostProc(p) }},
		{"cgroup namespace", func(p *spec.Plan) { shareNamespace(p, specs.CgroupNamespace) }},
		{"masked paths", func(p *spec.Plan) { p.OCI.Linux.MaskedPaths = nil }},
		{"one masked path", func(p *spec.Plan) { dropPath(&p.OCI.Linux.MaskedPaths, "/proc/interrupts") }},
		{"read-only paths", func(p *spec.Plan) { p.OCI.Linux.ReadonlyPaths = nil }},
		{"read-only root", writableRoot},
		{"noexec", func(p *spec.Plan) { dropOption(p, "tmpfs", "noexec") }},
		{"size of tmpfs", func(p *spec.Plan) { dropOption(p, "tmpfs", "size="); dropOption(p, "tmpfs", "nr_inodes=") }},
		{"private mounts", func(p *spec.Plan) { p.OCI.Linux.RootfsPropagation = "rshared" }},
		{"memory", func(p *spec.Plan) { p.OCI.Linux.Resources.Memory = nil; p.Limits.MemoryBytes = 0 }},
		{"processes", func(p *spec.Plan) { p.OCI.Linux.Resources.Pids = nil; p.Limits.Pids = 0 }},
		{"processor time", func(p *spec.Plan) { p.OCI.Linux.Resources.CPU = nil }},
		{"open files", func(p *spec.Plan) { dropRlimit(p, "RLIMIT_NOFILE") }},
		{"processes of a user", func(p *spec.Plan) { dropRlimit(p, "RLIMIT_NPROC") }},
		{"sysctls of the namespaces", removals[battery.Sysctls]},
		{"Landlock", removals[battery.Landlock]},
		{"no new privileges", newPrivileges},
	}
}

// wholeCall lets a call through whatever its arguments.
func wholeCall(name string) func(*spec.Plan) {
	return func(p *spec.Plan) {
		f := p.OCI.Linux.Seccomp
		if f == nil {
			return
		}
		for i := range f.Syscalls {
			f.Syscalls[i].Names = slices.DeleteFunc(f.Syscalls[i].Names, func(n string) bool { return n == name })
		}
		f.Syscalls = slices.DeleteFunc(f.Syscalls, func(s specs.LinuxSyscall) bool { return len(s.Names) == 0 })
		f.Syscalls = append(f.Syscalls, specs.LinuxSyscall{Names: []string{name}, Action: specs.ActAllow})
	}
}

func giveCapability(p *spec.Plan, name string) {
	one := []string{name}
	p.OCI.Process.Capabilities = &specs.LinuxCapabilities{Bounding: one, Effective: one, Permitted: one, Inheritable: one, Ambient: one}
}

func dropMount(p *spec.Plan, dir string) {
	p.OCI.Mounts = slices.DeleteFunc(p.OCI.Mounts, func(m specs.Mount) bool { return within(m.Destination, dir) })
	p.OCI.Linux.MaskedPaths = slices.DeleteFunc(p.OCI.Linux.MaskedPaths, func(at string) bool { return within(at, dir) })
}

func dropPath(list *[]string, at string) {
	*list = slices.DeleteFunc(*list, func(p string) bool { return p == at })
}

func dropOption(p *spec.Plan, kind, prefix string) {
	for i := range p.OCI.Mounts {
		if m := &p.OCI.Mounts[i]; m.Type == kind && m.Destination != "/dev" {
			m.Options = slices.DeleteFunc(m.Options, func(o string) bool { return strings.HasPrefix(o, prefix) })
		}
	}
}

func dropRlimit(p *spec.Plan, kind string) {
	p.OCI.Process.Rlimits = slices.DeleteFunc(p.OCI.Process.Rlimits, func(r specs.POSIXRlimit) bool { return r.Type == kind })
}

func dropSysctls(p *spec.Plan, prefix string) {
	maps.DeleteFunc(p.Namespaced, func(key, _ string) bool { return strings.HasPrefix(key, prefix) })
}

// hostProc shows the host's processes, as runc does for a user namespace without
// a pid namespace.
func hostProc(p *spec.Plan) {
	for i := range p.OCI.Mounts {
		if m := &p.OCI.Mounts[i]; m.Destination == "/proc" {
			m.Type, m.Source, m.Options = "bind", "/proc", []string{"rbind", "rprivate", "nosuid", "noexec", "nodev"}
		}
	}
}

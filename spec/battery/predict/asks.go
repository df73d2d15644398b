package predict

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
)

// own is a capability that the container's own namespaces ask for
// (ns_capable() in kernel/capability.c).
func own(name string) layer { return ownWith(name, "EPERM") }

func ownWith(name, errno string) layer {
	return func(s *scene) []battery.Stop {
		if slices.Contains(capabilities(s.plan), "CAP_"+name) {
			return nil
		}
		return stop(battery.Capabilities, errno)
	}
}

// hosts is a capability that the host's user namespace asks for (capable()). In
// another one nobody has it, whatever the sets say.
func hosts(name string) layer { return hostsWith(name, "EPERM") }

func hostsWith(name, errno string) layer {
	return func(s *scene) []battery.Stop {
		var out []battery.Stop
		if namespace(s.plan, specs.UserNamespace) {
			out = stop(battery.UserNS, errno)
		}
		return append(out, ownWith(name, errno)(s)...)
	}
}

// rootsFile is a file of the host's root that others may not open: the root of
// another user namespace is somebody else.
func rootsFile(s *scene) []battery.Stop {
	var out []battery.Stop
	if namespace(s.plan, specs.UserNamespace) {
		out = stop(battery.UserNS, "EACCES")
	}
	if has(s.plan, battery.NonRoot) {
		out = append(out, stop(battery.NonRoot, "EACCES")...)
	}
	return out
}

// netSettings are writable for who administers the network namespace, and else
// for the host's root (net_ctl_permissions() in net/sysctl_net.c).
func netSettings(s *scene) []battery.Stop {
	if slices.Contains(capabilities(s.plan), "CAP_NET_ADMIN") {
		return nil
	}
	return rootsFile(s)
}

// nonRoot is a file of the container's root.
func nonRoot(s *scene) []battery.Stop {
	if !has(s.plan, battery.NonRoot) {
		return nil
	}
	return stop(battery.NonRoot, "EACCES")
}

// hidden is a path that is masked, itself or with a directory above it.
func hidden(at string) layer {
	return func(s *scene) []battery.Stop {
		if !slices.ContainsFunc(s.plan.OCI.Linux.MaskedPaths, func(p string) bool { return within(at, p) }) {
			return nil
		}
		return stop(battery.Masks)
	}
}

// readOnlyPath is a path that cannot be written.
func readOnlyPath(at string) layer {
	return func(s *scene) []battery.Stop {
		l := s.plan.OCI.Linux
		if slices.ContainsFunc(l.MaskedPaths, func(p string) bool { return within(at, p) }) {
			return stop(battery.Masks)
		}
		if slices.ContainsFunc(l.ReadonlyPaths, func(p string) bool { return within(at, p) }) {
			return stop(battery.Masks, "EROFS")
		}
		return nil
	}
}

// readOnlyMount is a path on a filesystem that the plan mounts read-only.
func readOnlyMount(at string) layer {
	return func(s *scene) []battery.Stop {
		if m := mountOf(s.plan, at); m != nil && slices.Contains(m.Options, "ro") {
			return stop(battery.Mounts, "EROFS")
		}
		return nil
	}
}

// within says whether at is dir or below it.
func within(at, dir string) bool { return at == dir || strings.HasPrefix(at, dir+"/") }

// mountOf is the mount of the plan that a path is on; nil for the root.
func mountOf(p *spec.Plan, at string) *specs.Mount {
	var found *specs.Mount
	for i := range p.OCI.Mounts {
		m := &p.OCI.Mounts[i]
		if within(at, m.Destination) && (found == nil || len(m.Destination) >= len(found.Destination)) {
			found = m
		}
	}
	return found
}

// option says whether the mount of a path has an option.
func option(at, name string, stops ...string) layer {
	return func(s *scene) []battery.Stop {
		m := mountOf(s.plan, at)
		if m == nil || !slices.Contains(m.Options, name) {
			return nil
		}
		return stop(battery.Mounts, stops...)
	}
}

// noexecAt: what is written below a path cannot be run, or nothing can be
// written there.
func noexecAt(at string) layer {
	return func(s *scene) []battery.Stop {
		if mountOf(s.plan, at) == nil {
			if !s.plan.Rootfs.ReadOnly {
				// Whether the image has it nobody knows here. It should not.
				return stop(battery.Absent, "ENOENT")
			}
			return readOnlyRoot(s)
		}
		return option(at, "noexec", "EACCES")(s)
	}
}

// written is a program that was written below a path: it cannot be run, and where
// nothing can be written there is none.
func written(at string) []layer {
	return []layer{noexecAt(at), func(s *scene) []battery.Stop {
		if out := noRule(spec.LandlockExecute, at)(s); out != nil {
			return out
		}
		return noRule(spec.LandlockMake, at)(s)
	}}
}

func readOnlyRoot(s *scene) []battery.Stop {
	if !s.plan.Rootfs.ReadOnly {
		return nil
	}
	return stop(battery.ReadOnly, "EROFS")
}

// ofNamespace is what only exists in a namespace of the host's.
func ofNamespace(kind specs.LinuxNamespaceType, errnos ...string) layer {
	return func(s *scene) []battery.Stop {
		if !namespace(s.plan, kind) {
			return nil
		}
		return stop(battery.Namespaces, errnos...)
	}
}

func private(s *scene) []battery.Stop {
	shared := slices.ContainsFunc(s.plan.OCI.Mounts, func(m specs.Mount) bool {
		return slices.ContainsFunc(m.Options, func(o string) bool { return strings.Contains(o, "shared") || strings.Contains(o, "slave") })
	})
	if shared || s.plan.OCI.Linux.RootfsPropagation != "rprivate" {
		return nil
	}
	return stop(battery.Mounts)
}

// noHostFiles: no directory of the host is mounted writable. What an engine mounts
// below /etc and /dev it has made for the container.
func noHostFiles(s *scene) []battery.Stop {
	if slices.ContainsFunc(s.plan.OCI.Mounts, func(m specs.Mount) bool {
		return m.Type == "bind" && !slices.Contains(m.Options, "ro") && !strings.HasPrefix(m.Destination, "/etc/") && !strings.HasPrefix(m.Destination, "/dev/")
	}) {
		return nil
	}
	return stop(battery.NoHostFiles)
}

func launcher(*scene) []battery.Stop { return stop(battery.Launcher) }

// nativeOnly: calls of other architectures end the process.
func nativeOnly(s *scene) []battery.Stop {
	f := s.plan.OCI.Linux.Seccomp
	if f == nil || len(f.Architectures) != 1 {
		return nil
	}
	return stop(battery.Seccomp, "SIGSYS")
}

// missing is what no kernel has.
func missing(*scene) []battery.Stop { return stop(battery.Absent, "ENOSYS") }

func lowPort(s *scene) []battery.Stop {
	if s.plan.Network.UnprivilegedPortStart <= 80 {
		return nil
	}
	return ownWith("NET_BIND_SERVICE", "EACCES")(s)
}

// noRoute: there is no way to an address that only a host has. With any egress
// there is a route to everywhere, and packets are dropped on the bridge.
func noRoute(s *scene) []battery.Stop {
	if len(s.plan.Network.Egress) > 0 {
		return nil
	}
	if s.plan.Network.Mode == spec.NetworkNone {
		return stop(battery.Namespaces, "ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL")
	}
	return stop(battery.Network, "ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL")
}

// inside is a sysctl that the sandbox writes in the container's own namespaces.
func inside(key string, errnos ...string) layer {
	return func(s *scene) []battery.Stop {
		if s.plan.Namespaced[key] == "" {
			return nil
		}
		return stop(battery.Sysctls, errnos...)
	}
}

func deviceCgroup(s *scene) []battery.Stop {
	if !has(s.plan, battery.Devices) {
		return nil
	}
	return stop(battery.Devices, "EPERM")
}

// noConsole: no virtual console is there, whose name a call could be made with.
func noConsole(*scene) []battery.Stop { return stop(battery.DeviceNodes, "ENOENT") }

func noDevice(*scene) []battery.Stop { return stop(battery.DeviceNodes, "ENOENT") }

func noNewPrivs(s *scene) []battery.Stop {
	if !has(s.plan, battery.NoNewPrivs) {
		return nil
	}
	return stop(battery.NoNewPrivs)
}

// noCapability: none is had, and none comes back by execve(2). What has some is let
// through.
func noCapability(s *scene) []battery.Stop {
	c := s.plan.OCI.Process.Capabilities
	if c != nil && len(c.Effective)+len(c.Permitted)+len(c.Ambient) > 0 {
		return nil
	}
	var out []battery.Stop
	if c != nil && len(c.Bounding) == 0 {
		out = stop(battery.BoundingSet)
	}
	if has(s.plan, battery.NoNewPrivs) {
		out = append(out, stop(battery.NoNewPrivs, "EPERM")...)
	}
	return append(out, rootNosuid(s)...)
}

// rootNosuid: set-user-ID means nothing where a program of the image may be. The
// root is always mounted so (sandbox/rootfs), and all other mounts are (ValidatePlan).
func rootNosuid(*scene) []battery.Stop { return stop(battery.Mounts, "EPERM") }

func mappedRoot(s *scene) []battery.Stop {
	if !namespace(s.plan, specs.UserNamespace) {
		return nil
	}
	return stop(battery.UserNS)
}

// notRoot: whoever root is here, the program is somebody else.
func notRoot(s *scene) []battery.Stop {
	if !has(s.plan, battery.NonRoot) {
		return nil
	}
	return stop(battery.NonRoot, "EPERM")
}

func pids(s *scene) []battery.Stop {
	if r := s.plan.OCI.Linux.Resources.Pids; r == nil || r.Limit == nil || *r.Limit <= 0 {
		return nil
	}
	return stop(battery.Cgroup, "EAGAIN")
}

// nproc bounds the processes of one user, behind the control group.
func nproc(s *scene) []battery.Stop {
	if !slices.ContainsFunc(s.plan.OCI.Process.Rlimits, func(r specs.POSIXRlimit) bool { return r.Type == "RLIMIT_NPROC" }) {
		return nil
	}
	return stop(battery.Rlimits, "EAGAIN", "EUSERS")
}

func memory(s *scene) []battery.Stop {
	if r := s.plan.OCI.Linux.Resources.Memory; r == nil || r.Limit == nil || *r.Limit <= 0 {
		return nil
	}
	return stop(battery.Cgroup, "SIGKILL", "ENOMEM")
}

func cpu(s *scene) []battery.Stop {
	if r := s.plan.OCI.Linux.Resources.CPU; r == nil || r.Quota == nil || *r.Quota <= 0 {
		return nil
	}
	return stop(battery.Cgroup)
}

func tmpfsSize(s *scene) []battery.Stop {
	for _, m := range s.plan.OCI.Mounts {
		if m.Type == "tmpfs" && !slices.ContainsFunc(m.Options, func(o string) bool { return strings.HasPrefix(o, "size=") }) {
			return nil
		}
	}
	return stop(battery.Mounts, "ENOSPC")
}

func nofile(s *scene) []battery.Stop {
	if !slices.ContainsFunc(s.plan.OCI.Process.Rlimits, func(r specs.POSIXRlimit) bool { return r.Type == "RLIMIT_NOFILE" }) {
		return nil
	}
	return stop(battery.Rlimits, "EMFILE")
}

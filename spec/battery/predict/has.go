package predict

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
)

// Without takes layers away, so that what is behind them is seen.
func Without(layers ...battery.Layer) func(*spec.Plan) {
	return func(p *spec.Plan) {
		for _, l := range layers {
			removals[l](p)
		}
	}
}

// has says whether a plan has a layer at all.
func has(p *spec.Plan, layer battery.Layer) bool {
	l, r := p.OCI.Linux, p.OCI.Linux.Resources
	switch layer {
	case battery.Seccomp:
		return l.Seccomp != nil
	case battery.Capabilities:
		return len(capabilities(p)) < len(capabilityNames)
	case battery.UserNS:
		return namespace(p, specs.UserNamespace)
	case battery.Namespaces:
		return len(l.Namespaces) > 0
	case battery.Masks:
		return len(l.MaskedPaths)+len(l.ReadonlyPaths) > 0
	case battery.Mounts:
		return len(p.OCI.Mounts) > 0
	case battery.ReadOnly:
		return p.Rootfs.ReadOnly
	case battery.Cgroup:
		return r.Memory != nil || r.CPU != nil || r.Pids != nil
	case battery.Rlimits:
		return len(p.OCI.Process.Rlimits) > 0
	case battery.NoNewPrivs:
		return p.OCI.Process.NoNewPrivileges
	case battery.NonRoot:
		return p.OCI.Process.User.UID != 0
	case battery.Sysctls:
		return len(l.Sysctl)+len(p.Namespaced) > 0
	case battery.LSM:
		return p.OCI.Process.ApparmorProfile != "" || p.OCI.Process.SelinuxLabel != ""
	case battery.Guard:
		return p.Guard != nil
	case battery.Landlock:
		return p.Landlock != nil
	case battery.BoundingSet:
		c := p.OCI.Process.Capabilities
		return c == nil || len(c.Bounding) < len(capabilityNames)
	case battery.DeviceNodes, battery.NoHostFiles:
		return true
	case battery.Devices:
		return len(r.Devices) > 0
	case battery.Network, battery.Launcher:
		return true
	}
	return false
}

// capabilities that are in effect, as the program begins.
func capabilities(p *spec.Plan) []string {
	if p.OCI.Process.Capabilities == nil {
		return nil
	}
	return p.OCI.Process.Capabilities.Effective
}

func namespace(p *spec.Plan, kind specs.LinuxNamespaceType) bool {
	return slices.ContainsFunc(p.OCI.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind && n.Path == "" })
}

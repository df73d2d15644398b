package predict

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
)

// newPrivileges lets execve(2) give privileges. libcontainer then loads the
// filter before it gives up its capabilities.
func newPrivileges(p *spec.Plan) {
	p.OCI.Process.NoNewPrivileges = false
	for _, call := range []string{"capget", "capset", "prctl", "setgroups", "setgid", "setuid", "fchown"} {
		wholeCall(call)(p)
	}
}

// wholeBoundingSet leaves it as wide as the user namespace's, and nothing else.
func wholeBoundingSet(p *spec.Plan) {
	if p.OCI.Process.Capabilities == nil {
		p.OCI.Process.Capabilities = &specs.LinuxCapabilities{}
	}
	p.OCI.Process.Capabilities.Bounding = slices.Clone(capabilityNames)
}

// hostNetwork takes the network namespace away. In a user namespace of its own a
// container cannot mount the host's sysfs.
func hostNetwork(p *spec.Plan) {
	shareNamespace(p, specs.NetworkNamespace)
	dropMount(p, "/sys")
}

func shareNamespace(p *spec.Plan, kind specs.LinuxNamespaceType) {
	l := p.OCI.Linux
	l.Namespaces = slices.DeleteFunc(l.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == kind })
}

package spec

import (
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// BundlePlan is what a bundle comes to, as a plan: for whoever wants to know what
// holds in the container, and not to be carried out. What an engine joins a
// container to counts as its own, unless it is the host's; what a plan has beside
// the OCI spec it has as far as whoever runs bundles does it.
func BundlePlan(in BundleInput) (*Plan, error) {
	met, err := MeetBundle(in)
	if err != nil {
		return nil, err
	}
	plan := &Plan{
		Profile: met.Profile, OCI: met.OCI, Landlock: met.Landlock, Reactions: met.Reactions, Decisions: met.Decisions,
		RootAllowed: met.OCI.Process.User.UID == 0,
	}
	plan.Rootfs.ReadOnly = met.OCI.Root.Readonly
	linux := met.OCI.Linux
	linux.Namespaces = slices.DeleteFunc(linux.Namespaces, func(ns specs.LinuxNamespace) bool { return slices.Contains(in.HostNamespaces, ns.Type) })
	plan.Network = Network{Mode: NetworkNone, UnprivilegedPortStart: kernelPortStart}
	for i := range linux.Namespaces {
		ns := &linux.Namespaces[i]
		if ns.Type == specs.NetworkNamespace && ns.Path != "" {
			plan.Network.Mode = NetworkBridge
			if met.Network != nil {
				plan.Network.Egress = met.Network.Egress
			}
		}
		ns.Path = ""
	}
	if port, err := strconv.Atoi(linux.Sysctl["net.ipv4.ip_unprivileged_port_start"]); err == nil {
		plan.Network.UnprivilegedPortStart = port
	}
	return plan, nil
}

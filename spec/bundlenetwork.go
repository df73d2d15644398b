package spec

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// meetNetwork says what is let out of the network that the engine has made. What
// comes in is the engine's to decide, and answers to it leave. Unlike the bridge
// of a run such a network may have IPv6.
func (m *meeter) meetNetwork() error {
	if !m.bundle.Encloses {
		m.decide(Decision{
			Setting: "network", Value: "the engine's", Source: fromBundle,
			Weakens: "network.egress of the profile is not enforced: the container is on a network that its engine made",
		})
		return nil
	}
	m.decide(Decision{
		Setting: "network", Value: "the engine's", Source: fromBundle, Why: "what leaves it is held to the profile",
		Weakens: "what comes in is not: network.mode of the profile says nothing here",
	})
	if power, holds := m.opensNetwork(); holds && !m.accepts(profiles.WeakNetworkIsolation) {
		return problem.New("take it out of the profile, or write accept: [{name: network-isolation, why: ...}] into it",
			"profile %s gives %s, with which a container gets around the rules of its network", m.in.Profile.Metadata.Name, power)
	}
	n := &Network{Mode: NetworkBridge}
	m.enclosed = n
	for _, rule := range m.in.Profile.Network.Egress {
		out, err := egressOf(rule)
		if err != nil {
			return err
		}
		n.Egress = append(n.Egress, out...)
		at := entry("network.egress", rule.String())
		m.decide(Decision{
			Setting: "egress", Value: rule.String(), Source: m.source(at), Why: m.why(at, rule.Why), Weakens: "what breaks in can send data there",
		})
	}
	if len(n.Egress) == 0 {
		m.decide(Decision{Setting: "egress", Value: "none", Source: m.source("network.egress"), Why: "only answers leave"})
		return nil
	}
	n.DNS = slices.Clone(m.bundle.Resolvers)
	for _, addr := range m.in.Host.Nameservers {
		if ordinaryHost(addr) && !slices.Contains(n.DNS, addr) {
			n.DNS = append(n.DNS, addr)
		}
	}
	var names []string
	for _, addr := range n.DNS {
		names = append(names, addr.String())
	}
	m.decide(Decision{Setting: "dns", Value: listOr(names, "none"), Source: fromHost, Why: "the only hosts reachable on port 53 beside the profile's egress"})
	return nil
}

// judged are the families whose packets pass the rules, or that send none. Packet
// and XDP sockets send below the rules (packet(7); __dev_direct_xmit in
// net/core/dev.c), and there will be more of that kind.
var judged = []string{"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"}

// opensNetwork finds what gets around rules in the namespace itself: they can be
// removed (capabilities(7)), sockets send below them, and a virtual machine's host
// is reached beside them, for which no capability is asked (vsock(7)).
func (m *meeter) opensNetwork() (power string, holds bool) {
	has := func(name string) bool { return slices.Contains(m.oci.Process.Capabilities.Bounding, name) }
	if has("CAP_NET_ADMIN") {
		return "CAP_NET_ADMIN", true
	}
	for _, f := range m.in.Profile.Seccomp.AddressFamilies {
		name := strings.ToUpper(f.Name)
		switch {
		case name == "AF_VSOCK":
			return name, true
		case has("CAP_NET_RAW") && !slices.Contains(judged, name):
			return "CAP_NET_RAW and " + name, true
		}
	}
	return "", false
}

// egressOf is a rule of a profile for both address families.
func egressOf(rule profiles.Egress) ([]Egress, error) {
	spans, err := rule.Spans()
	if err != nil {
		return nil, err
	}
	ports, err := rule.PortRanges()
	if err != nil {
		return nil, err
	}
	var ranges []PortRange
	for _, r := range ports {
		ranges = append(ranges, PortRange{Protocol: r.Protocol, First: r.First, Last: r.Last})
	}
	var out []Egress
	for _, span := range spans {
		out = append(out, Egress{Prefix: span.Prefix, Except: except(span), Ports: ranges})
	}
	return out, nil
}

// ordinaryHost says whether an address may be another host's: on some clouds the
// metadata service answers at addresses of the link.
func ordinaryHost(a netip.Addr) bool {
	return a.IsValid() && a.Zone() == "" && !a.Is4In6() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsUnspecified()
}

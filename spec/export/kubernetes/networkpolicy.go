package kubernetes

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/export"
)

// closed are destinations that no rule reaches by being wide, as in a launch:
// this host, the link, multicast, and the metadata services of clouds (AWS and
// others on the link, AWS and GCP over IPv6, Alibaba, Azure).
var closed = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.100.100.200/32"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("168.63.129.16/32"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("224.0.0.0/4"),
	netip.MustParsePrefix("255.255.255.255/32"),
	netip.MustParsePrefix("::/127"),
	netip.MustParsePrefix("fd00:ec2::254/128"),
	netip.MustParsePrefix("fd20:ce::254/128"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("ff00::/8"),
}

// networkPolicy lets in what is published and out what the profile says. Both
// directions are always there: a direction that is not named is open.
func (x *exporter) networkPolicy() (object, error) {
	egress, err := x.egress()
	if err != nil {
		return nil, err
	}
	spec := object{}.
		with("podSelector", object{}.with("matchLabels", x.labels())).
		with("policyTypes", list{"Ingress", "Egress"}).
		with("ingress", x.ingress(), "published ports and nothing else").
		with("egress", egress, x.from("network.egress"))
	return head("networking.k8s.io/v1", "NetworkPolicy").with("metadata", x.metadata()).with("spec", spec), nil
}

func (x *exporter) ingress() list {
	out := list{}
	for _, p := range x.in.Publish {
		rule := object{}
		if x.local(p) {
			rule = rule.with("from", list{object{}.with("podSelector", object{})}, "published on loopback: the pods of the namespace")
		}
		ports := list{object{}.with("protocol", protocolOf(p)).with("port", int64(p.ContainerPort), "-p")}
		out = append(out, rule.with("ports", ports))
	}
	return out
}

// local says whether a port is for its own host alone.
func (x *exporter) local(p export.Port) bool {
	addr, err := netip.ParseAddr(p.HostIP)
	return err == nil && addr.IsLoopback()
}

// connected says whether the pod may begin connections.
func (x *exporter) connected() bool {
	return or(x.p.Network.Mode, profiles.NetworkNone) != profiles.NetworkNone && len(x.p.Network.Egress) > 0
}

func (x *exporter) egress() (list, error) {
	out := list{}
	if !x.connected() {
		return out, nil
	}
	for _, rule := range x.p.Network.Egress {
		spans, err := rule.Spans()
		if err != nil {
			return nil, err
		}
		ranges, err := rule.PortRanges()
		if err != nil {
			return nil, err
		}
		var to list
		for _, span := range spans {
			if block := x.block(span); block != nil {
				to = append(to, object{}.with("ipBlock", block))
			}
		}
		if to == nil {
			continue // an empty list would mean everywhere
		}
		one := object{}.with("to", to, x.from("network.egress["+rule.String()+"]")+": "+rule.Why)
		if ports := egressPorts(ranges); ports != nil {
			one = one.with("ports", ports)
		}
		out = append(out, one)
	}
	if len(out) == 0 {
		return out, nil
	}
	return append(list{dns()}, out...), nil
}

func egressPorts(ranges []profiles.PortRange) list {
	var out list
	for _, r := range ranges {
		port := object{}.with("protocol", strings.ToUpper(r.Protocol)).with("port", int64(r.First))
		if r.Last != r.First {
			port = port.with("endPort", int64(r.Last))
		}
		out = append(out, port)
	}
	return out
}

// dns are the cluster's own resolvers, and only they.
func dns() object {
	peer := object{}.
		with("namespaceSelector", object{}.with("matchLabels", object{}.with("kubernetes.io/metadata.name", "kube-system"))).
		with("podSelector", object{}.with("matchLabels", object{}.with("k8s-app", "kube-dns")))
	ports := list{
		object{}.with("protocol", "UDP").with("port", int64(53)),
		object{}.with("protocol", "TCP").with("port", int64(53)),
	}
	return object{}.with("to", list{peer}, "names are resolved by the cluster").with("ports", ports)
}

// block is a span without what stays closed in it; nil when nothing is left.
func (x *exporter) block(span profiles.Span) object {
	shut := slices.Concat(span.Except, closed, x.o.Deny)
	if slices.ContainsFunc(x.o.Deny, func(d netip.Prefix) bool { return holds(d, span.Prefix) }) {
		return nil
	}
	var except []netip.Prefix
	for i, p := range shut {
		inside := span.Prefix.Bits() < p.Bits() && span.Prefix.Contains(p.Addr())
		covered := false
		for j, other := range shut {
			if j != i && holds(other, p) && (other != p || j < i) {
				covered = true
			}
		}
		if inside && !covered {
			except = append(except, p)
		}
	}
	slices.SortFunc(except, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	block := object{}.with("cidr", span.Prefix.String())
	var texts list
	for _, p := range except {
		texts = append(texts, p.String())
	}
	if texts != nil {
		block = block.with("except", texts)
	}
	return block
}

// holds says whether outer has all of inner.
func holds(outer, inner netip.Prefix) bool {
	return outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
}

// loseNetwork says what a NetworkPolicy is not.
func (x *exporter) loseNetwork() {
	lost := "the pod has an address, and a NetworkPolicy keeps everybody from it only where the network plugin enforces them"
	if or(x.p.Network.Mode, profiles.NetworkNone) != profiles.NetworkNone {
		lost = "a NetworkPolicy holds only where the network plugin enforces them, and the node always reaches its pods"
	}
	x.lack(export.Loss{
		Setting: "network.mode", Value: string(or(x.p.Network.Mode, profiles.NetworkNone)), Severity: export.Different,
		Lost: lost, Do: "use a plugin that enforces NetworkPolicies, such as Cilium or Calico",
	})
	if !x.connected() {
		return
	}
	for _, rule := range x.p.Network.Egress {
		spans, err := rule.Spans()
		if err != nil || len(spans) != 1 || rule.To == profiles.Internet4 || rule.To == profiles.Internet6 || spans[0].Prefix.IsSingleIP() {
			continue
		}
		x.lack(export.Loss{
			Setting: "network.egress[" + rule.String() + "]", Value: rule.To, Severity: export.Weaker,
			Lost: "pods, Services and nodes with addresses in it can be reached, which no launch lets happen",
			Do:   "write the cluster's ranges with --deny-cidr, or narrow the rule",
		})
	}
}

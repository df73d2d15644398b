package kubernetes

import (
	"net/netip"
	"testing"

	networking "k8s.io/api/networking/v1"
	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/export"
)

// flow is one connection from or to the pod. Peer is an address outside; or, where
// labels are said, a pod with them in a namespace.
type flow struct {
	addr     netip.Addr
	labels   map[string]string // of the peer, when it is a pod
	inNS     string
	protocol string
	port     uint16
}

// allowsEgress and allowsIngress say what a plugin that enforces the policy does
// (the documentation of NetworkPolicy): a direction that is listed is closed but
// for its rules, an empty list of peers or ports means all, and a block is its
// range without its exceptions.
func allowsEgress(p *networking.NetworkPolicy, f flow) bool {
	for _, rule := range p.Spec.Egress {
		if peerMatches(p, rule.To, f) && portMatches(rule.Ports, f) {
			return true
		}
	}
	return !listed(p, networking.PolicyTypeEgress)
}

func allowsIngress(p *networking.NetworkPolicy, f flow) bool {
	for _, rule := range p.Spec.Ingress {
		if peerMatches(p, rule.From, f) && portMatches(rule.Ports, f) {
			return true
		}
	}
	return !listed(p, networking.PolicyTypeIngress)
}

func listed(p *networking.NetworkPolicy, direction networking.PolicyType) bool {
	for _, t := range p.Spec.PolicyTypes {
		if t == direction {
			return true
		}
	}
	return false
}

func peerMatches(p *networking.NetworkPolicy, peers []networking.NetworkPolicyPeer, f flow) bool {
	for _, peer := range peers {
		if block := peer.IPBlock; block != nil {
			inside := netip.MustParsePrefix(block.CIDR).Contains(f.addr)
			for _, except := range block.Except {
				inside = inside && !netip.MustParsePrefix(except).Contains(f.addr)
			}
			if inside {
				return true
			}
			continue
		}
		if f.labels == nil {
			continue
		}
		ns := map[string]string{"kubernetes.io/metadata.name": f.inNS}
		sameNS := peer.NamespaceSelector == nil && f.inNS == p.Namespace ||
			peer.NamespaceSelector != nil && selects(peer.NamespaceSelector.MatchLabels, ns)
		if sameNS && (peer.PodSelector == nil || selects(peer.PodSelector.MatchLabels, f.labels)) {
			return true
		}
	}
	return len(peers) == 0
}

func selects(want, have map[string]string) bool {
	for k, v := range want {
		if have[k] != v {
			return false
		}
	}
	return true
}

func portMatches(ports []networking.NetworkPolicyPort, f flow) bool {
	for _, p := range ports {
		protocol := "TCP"
		if p.Protocol != nil {
			protocol = string(*p.Protocol)
		}
		first, last := int32(0), int32(65535)
		if p.Port != nil {
			first = p.Port.IntVal
			last = first
		}
		if p.EndPort != nil {
			last = *p.EndPort
		}
		if protocol == f.protocol && int32(f.port) >= first && int32(f.port) <= last {
			return true
		}
	}
	return len(ports) == 0
}

// networkPolicyOf exports and reads the policy back.
func networkPolicyOf(t interface {
	Helper()
	Fatal(...any)
}, tt *testing.T, in export.Input, o Options) *networking.NetworkPolicy {
	t.Helper()
	o.Parts = []string{"networkpolicy"}
	result, err := Export(in, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range result.Files {
		if p, ok := decode(tt, f.Path, f.Data).(*networking.NetworkPolicy); ok {
			for _, e := range p.Spec.Egress {
				for _, peer := range e.To {
					valid(tt, peer.IPBlock)
				}
			}
			return p
		}
	}
	t.Fatal("no policy")
	return nil
}

// valid is what the API server asks of a block: its exceptions are in it, and less
// than all of it.
func valid(t *testing.T, block *networking.IPBlock) {
	if block == nil {
		return
	}
	cidr := netip.MustParsePrefix(block.CIDR)
	for _, text := range block.Except {
		except := netip.MustParsePrefix(text)
		if !cidr.Contains(except.Addr()) || except.Bits() <= cidr.Bits() {
			t.Errorf("%s is no part of %s", text, block.CIDR)
		}
	}
}

// never are addresses that no rule reaches, however wide.
var never = []string{
	"169.254.169.254", "169.254.170.2", "fd00:ec2::254", "127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "fe80::1", "ff02::1", "100.100.100.200", "168.63.129.16", "fd20:ce::254",
}

func TestFlows(t *testing.T) {
	kubeDNS, other := map[string]string{"k8s-app": "kube-dns"}, map[string]string{"app": "other"}
	tests := []struct {
		name, profile string
		egress        bool
		flow          flow
		want          bool
	}{
		{"web cannot connect", "web", true, flow{addr: netip.MustParseAddr("1.1.1.1"), protocol: "TCP", port: 443}, false},
		{"web cannot resolve", "web", true, flow{labels: kubeDNS, inNS: "kube-system", protocol: "UDP", port: 53}, false},
		{"web is reached", "web", false, flow{labels: other, inNS: "other", protocol: "TCP", port: 80}, true},
		{"web is reached from outside", "web", false, flow{addr: netip.MustParseAddr("9.9.9.9"), protocol: "TCP", port: 80}, true},
		{"by the container's port", "web", false, flow{labels: other, inNS: "other", protocol: "TCP", port: 8080}, false},
		{"by its protocol", "web", false, flow{labels: other, inNS: "other", protocol: "UDP", port: 80}, false},
		{"on loopback by the namespace", "web", false, flow{labels: other, inNS: "shop", protocol: "TCP", port: 9000}, true},
		{"on loopback by no other", "web", false, flow{labels: other, inNS: "other", protocol: "TCP", port: 9000}, false},
		{"worker connects", "worker", true, flow{addr: netip.MustParseAddr("1.1.1.1"), protocol: "TCP", port: 443}, true},
		{"worker connects over IPv6", "worker", true, flow{addr: netip.MustParseAddr("2606:4700::1"), protocol: "TCP", port: 443}, true},
		{"worker's ports", "worker", true, flow{addr: netip.MustParseAddr("1.1.1.1"), protocol: "TCP", port: 25}, false},
		{"worker's networks", "worker", true, flow{addr: netip.MustParseAddr("10.0.0.1"), protocol: "TCP", port: 443}, false},
		{"worker reaches no pod", "worker", true, flow{labels: other, inNS: "shop", addr: netip.MustParseAddr("10.244.0.9"), protocol: "TCP", port: 443}, false},
		{"worker resolves", "worker", true, flow{labels: kubeDNS, inNS: "kube-system", addr: netip.MustParseAddr("10.96.0.10"), protocol: "UDP", port: 53}, true},
		{"worker resolves there alone", "worker", true, flow{labels: kubeDNS, inNS: "shop", addr: netip.MustParseAddr("10.96.0.11"), protocol: "UDP", port: 53}, false},
		{"worker is not reached", "worker", false, flow{labels: other, inNS: "shop", protocol: "TCP", port: 80}, false},
		{"default connects nowhere", "default", true, flow{addr: netip.MustParseAddr("1.1.1.1"), protocol: "TCP", port: 443}, false},
		{"default is not reached", "default", false, flow{labels: other, inNS: "shop", protocol: "TCP", port: 80}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := inputOf(resolved(t, test.profile))
			in.Publish = nil
			if test.profile == "web" {
				in.Publish = []export.Port{{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}, {HostIP: "127.0.0.1", ContainerPort: 9000, Protocol: "tcp"}}
			}
			p := networkPolicyOf(t, t, in, Options{})
			got := allowsIngress(p, test.flow)
			if test.egress {
				got = allowsEgress(p, test.flow)
			}
			if got != test.want {
				t.Errorf("allowed: %t", got)
			}
		})
	}
}

// TestEgressIsTheProfiles: a flow is let out when a rule of the profile says so,
// and what is closed stays closed, whatever the rules.
func TestEgressIsTheProfiles(t *testing.T) {
	addrs := append([]string{
		"1.1.1.1", "8.8.4.4", "10.0.0.1", "10.1.2.3", "172.16.9.9", "192.168.1.1", "100.64.0.1", "169.254.1.1", "198.51.100.7", "223.255.255.255", "240.0.0.1",
		"2606:4700::1", "2001:db8::1", "fd00::1", "fd00:ec2::253", "2002::1", "3fff::1",
	}, never...)
	ports := []string{"443/tcp", "53/udp", "8000-8100/tcp", "1-65535/udp", "80/tcp"}
	tos := []string{"internet", "internet4", "internet6", "0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.0.0.1", "100.64.0.0/10", "128.0.0.0/1", "::/0", "fd00::/8", "2000::/3", "168.63.129.0/24", "192.168.1.1"}
	rapid.Check(t, func(rt *rapid.T) {
		profile := resolved(t, "worker")
		profile.Network.Egress = nil
		seen := map[string]bool{}
		for range rapid.IntRange(0, 4).Draw(rt, "rules") {
			rule := profiles.Egress{To: rapid.SampledFrom(tos).Draw(rt, "to"), Why: "w"}
			for range rapid.IntRange(0, 2).Draw(rt, "ports") {
				rule.Ports = append(rule.Ports, rapid.SampledFrom(ports).Draw(rt, "port"))
			}
			if !seen[rule.String()] {
				profile.Network.Egress = append(profile.Network.Egress, rule)
			}
			seen[rule.String()] = true
		}
		if profiles.Validate(profile) != nil {
			rt.Skip("no profile")
		}
		var deny []netip.Prefix
		if rapid.Bool().Draw(rt, "deny") {
			deny = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
		}
		in := inputOf(profile)
		in.Publish = nil
		p := networkPolicyOf(rt, t, in, Options{Deny: deny})
		f := flow{
			addr:     netip.MustParseAddr(rapid.SampledFrom(addrs).Draw(rt, "address")),
			protocol: rapid.SampledFrom([]string{"TCP", "UDP"}).Draw(rt, "protocol"),
			port:     rapid.SampledFrom([]uint16{1, 53, 80, 443, 7999, 8000, 8050, 8100, 8101, 65535}).Draw(rt, "number"),
		}
		want := said(profile, f) && !isClosed(f.addr) && !(deny != nil && deny[0].Contains(f.addr))
		if got := allowsEgress(p, f); got != want {
			rt.Fatalf("%v to %+v: %t, and the profile says %t", profile.Network.Egress, f, got, want)
		}
	})
}

// said is what the profile's own rules say, without what is always closed.
func said(p profiles.Profile, f flow) bool {
	for _, rule := range p.Network.Egress {
		spans, _ := rule.Spans()
		ranges, _ := rule.PortRanges()
		port := len(ranges) == 0
		for _, r := range ranges {
			port = port || (r.Protocol == "tcp") == (f.protocol == "TCP") && f.port >= r.First && f.port <= r.Last
		}
		for _, span := range spans {
			inside := span.Prefix.Contains(f.addr)
			for _, e := range span.Except {
				inside = inside && !e.Contains(f.addr)
			}
			if inside && port {
				return true
			}
		}
	}
	return false
}

func isClosed(addr netip.Addr) bool {
	for _, text := range never {
		if netip.MustParseAddr(text) == addr {
			return true
		}
	}
	return addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsLoopback()
}

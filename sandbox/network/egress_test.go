package network

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/safe-run/safe-run/spec"
)

func everywhere() []spec.Egress {
	return []spec.Egress{{Prefix: netip.MustParsePrefix("0.0.0.0/0")}}
}

func (b *box) routes(t *testing.T) (out string) {
	t.Helper()
	err := inside(b.peer, func(h *netlink.Handle) error {
		routes, err := h.RouteList(nil, netlink.FAMILY_V4)
		for _, r := range routes {
			if r.Dst == nil || r.Dst.IP.IsUnspecified() {
				out += "default "
			}
			out += r.String() + "\n"
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEgress(t *testing.T) {
	state := stateDir(t)
	far := netip.MustParsePrefix("203.0.113.0/24")
	only := func(ports ...spec.PortRange) []spec.Egress {
		return []spec.Egress{{Prefix: netip.PrefixFrom(netip.MustParseAddr(farA), 32), Ports: ports}}
	}
	for name, tt := range map[string]struct {
		egress []spec.Egress
		dns    string
		open   []string
		closed []string
	}{
		"none": {nil, farDNS, nil,
			[]string{"tcp " + farA + ":80", "udp " + farA + ":80", "udp " + farDNS + ":53", "tcp " + outsideIP + ":80"}},
		"everywhere": {everywhere(), "",
			[]string{"tcp " + farA + ":80", "udp " + farB + ":443", "tcp " + outsideIP + ":80"},
			[]string{"tcp " + metadataIP + ":80", "udp " + metadataIP + ":80"}},
		"one address": {only(), "",
			[]string{"tcp " + farA + ":80", "udp " + farA + ":443"},
			[]string{"tcp " + farB + ":80", "udp " + farDNS + ":53"}},
		"one port": {only(spec.PortRange{Protocol: "tcp", First: 100, Last: 443}), "",
			[]string{"tcp " + farA + ":443"},
			[]string{"udp " + farA + ":443", "tcp " + farA + ":80", "tcp " + farB + ":443"}},
		"name servers": {only(spec.PortRange{Protocol: "tcp", First: 443, Last: 443}), farDNS,
			[]string{"udp " + farDNS + ":53", "tcp " + farDNS + ":53"},
			[]string{"udp " + farDNS + ":80", "udp " + farA + ":53"}},
		"metadata as name server": {only(), metadataIP, nil, []string{"udp " + metadataIP + ":53"}},
		"link-local prefix": {[]spec.Egress{{Prefix: netip.MustParsePrefix("169.254.169.254/32")}}, "", nil,
			[]string{"tcp " + metadataIP + ":80"}},
		"except": {[]spec.Egress{{Prefix: far, Except: []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr(farB), 32)}}}, "",
			[]string{"tcp " + farA + ":80", "udp " + farDNS + ":53"}, []string{"tcp " + farB + ":80", "tcp " + outsideIP + ":80"}},
		"except of one entry, open by another": {[]spec.Egress{
			{Prefix: far, Except: []netip.Prefix{far}},
			{Prefix: far, Ports: []spec.PortRange{{Protocol: "tcp", First: 80, Last: 80}}}}, "",
			[]string{"tcp " + farB + ":80"}, []string{"tcp " + farB + ":443"}},
		"IPv6 opens nothing": {[]spec.Egress{{Prefix: netip.MustParsePrefix("::/0")}}, farDNS, nil,
			[]string{"tcp " + farA + ":80", "udp " + farDNS + ":53"}},
	} {
		t.Run(name, func(t *testing.T) {
			n := spec.Network{Egress: tt.egress}
			if tt.dns != "" {
				n.DNS = []netip.Addr{netip.MustParseAddr(tt.dns)}
			}
			b := attach(t, state, n)
			for _, to := range tt.open {
				proto, addr, _ := strings.Cut(to, " ")
				// The outside knows no way to the sandbox: it sees the host.
				try{"sandbox", b.dial, addr, "ok " + wanIP + ":"}.run(t, proto)
			}
			for _, to := range tt.closed {
				proto, addr, _ := strings.Cut(to, " ")
				good := func(got string) bool { return got == "refused" || got == "unreachable" }
				got := settle(good, func() string { return b.dial(proto, addr) })
				if !good(got) {
					t.Errorf("sandbox to %s: %s, want an answer at once that it is closed", to, got)
				}
			}
		})
	}
}

// What the kernel remembers of a connection opens nothing: take the rule away,
// and the next packet is refused.
func TestAskingSideIsJudgedAnew(t *testing.T) {
	state := stateDir(t)
	b := attach(t, state, spec.Network{Egress: everywhere()})
	if got := b.do(order{Op: "hold", Proto: "tcp", Addr: farA + ":80"}); !strings.HasPrefix(got, "ok") {
		t.Fatal(got)
	}
	change(t, func(c batch) error {
		c.FlushChain(&nftables.Chain{Table: inetTable, Name: chainName(b.cfg.ID)})
		return nil
	})
	if got := b.do(order{Op: "more"}); got != "refused" {
		t.Errorf("a connection that is no longer allowed: %s, want refused", got)
	}
}

// And an address that is no longer published is not reached by a translation
// that the kernel remembers.
func TestPublishedSideIsJudgedAnew(t *testing.T) {
	state := stateDir(t)
	b := attach(t, state, spec.Network{Publish: []spec.Port{publish("0.0.0.0", 8080, 80, "udp")}})
	b.listen(t, "udp", "0.0.0.0:80")
	if got := outside.do(order{Op: "hold", Proto: "udp", Addr: wanIP + ":8080"}); !strings.HasPrefix(got, "ok") {
		t.Fatal(got)
	}
	change(t, func(c batch) error {
		c.FlushSet(openSet)
		return nil
	})
	if got := outside.do(order{Op: "more"}); got != "timeout" {
		t.Errorf("a port that is no longer open: %s, want timeout", got)
	}
}

// change does something to the tables behind the package's back.
func change(t *testing.T, f func(batch) error) {
	t.Helper()
	b, err := newBatch()
	if err != nil {
		t.Fatal(err)
	}
	if err := f(b); err != nil {
		t.Fatal(err)
	}
	if err := b.Flush(); err != nil {
		t.Fatal(err)
	}
}

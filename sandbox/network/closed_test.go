package network

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// closedAttempts must come to nothing.
var closedAttempts = []attempt{
	{name: "host service on the bridge's address", without: []string{"host-services"}, want: "refused",
		do: func(s *scene) string { return s.a.dial("tcp", gateway()+":"+hostService) }},
	{name: "host service on another address", without: []string{"host-services"}, want: "refused",
		do: func(s *scene) string { return s.a.dial("tcp", wanIP+":"+hostService) }},
	{name: "metadata service", without: []string{"metadata"}, want: "refused",
		do: func(s *scene) string { return s.a.dial("tcp", metadataIP+":80") }},
	{name: "metadata service that someone translates", without: []string{"metadata"}, want: "refused",
		prepare: func(s *scene) { s.translate(metadataIP, farA) },
		do:      func(s *scene) string { return s.a.dial("tcp", metadataIP+":80") }},
	{name: "host's address that someone translates", without: []string{"to-host-before-nat"}, want: "refused",
		prepare: func(s *scene) { s.translate(wanIP, farA) },
		do:      func(s *scene) string { return s.a.dial("tcp", wanIP+":80") }},
	{name: "packet that belongs to no connection", without: []string{"invalid"}, want: "nothing",
		prepare: func(s *scene) { outside.do(order{Op: "sniff", Addr: s.a.ip}) },
		do: func(s *scene) string {
			d := s.fromA(farA + ":80")
			d.reset = true
			return arrives(func() string { return outside.do(order{Op: "sniffed"}) }, s.a.peer, "eth0", d)
		}},
	{name: "address that is not listed", without: []string{"default"}, want: "refused",
		prepare: func(s *scene) { s.noEgress() },
		do:      func(s *scene) string { return s.a.dial("tcp", farA+":80") }},
	{name: "exception of a prefix", without: []string{"except"}, want: "refused",
		prepare: func(s *scene) {
			s.a = attach(s.t, s.a.cfg.State, spec.Network{Egress: []spec.Egress{{
				Prefix: netip.MustParsePrefix("203.0.113.0/24"),
				Except: []netip.Prefix{netip.MustParsePrefix(farB + "/32")},
			}}})
		},
		do: func(s *scene) string { return s.a.dial("tcp", farB+":80") }},
	{name: "other sandbox by way of the host", without: []string{"between-sandboxes"}, want: "refused",
		prepare: func(s *scene) { s.via(s.a, s.b.ip); s.via(s.b, s.a.ip) },
		do:      func(s *scene) string { return s.a.dial("tcp", s.b.ip+":80") }},
	{name: "unpublished port by a local user", without: []string{"unpublished"}, want: "refused",
		do: func(s *scene) string { return dial("tcp", s.b.ip+":80") }},
	{name: "sandbox's address by a neighbour", given: []string{"guard"}, without: []string{"direct-route"}, want: "timeout",
		do: func(s *scene) string { return neighbourhood.dial("tcp", s.b.ip+":80") }},
	{name: "the host as a neighbour's router", without: []string{"guard"}, want: "timeout",
		do: func(s *scene) string { return neighbourhood.dial("tcp", farA+":80") }},
	{name: "port on loopback from the wire", without: []string{"loopback"}, want: "nothing",
		do: func(s *scene) string {
			return arrives(s.a.received, outside, "eth0", datagram{
				dstMAC: hardware("wan0"), srcMAC: hardware("wan0"), src: outsideIP + ":1000", dst: "127.0.0.1:8053"})
		}},
	{name: "host's loopback from a sandbox", given: []string{"host-services"}, without: []string{"loopback"}, want: "nothing",
		do: func(s *scene) string {
			return arrives(s.hostDatagrams("127.0.0.1:9999"), s.a.peer, "eth0", s.fromA("127.0.0.1:9999"))
		}},
	{name: "frame that is not bridged", without: []string{"port-itself"}, want: "nothing",
		do: func(s *scene) string {
			d := s.fromA(wanIP + ":9999")
			d.dstMAC = net.HardwareAddr{0x01, 0x80, 0xc2, 0, 0, 0x0e}
			return arrives(s.hostDatagrams(wanIP+":9999"), s.a.peer, "eth0", d)
		}},
	{name: "IP address of someone else", given: []string{"host-services"}, without: []string{"spoofed"}, want: "nothing",
		do: func(s *scene) string {
			d := s.fromA(wanIP + ":9999")
			d.src = s.b.ip + ":1000"
			return arrives(s.hostDatagrams(wanIP+":9999"), s.a.peer, "eth0", d)
		}},
	{name: "hardware address of someone else", given: []string{"host-services"}, without: []string{"spoofed"}, want: "nothing",
		do: func(s *scene) string {
			d := s.fromA(wanIP + ":9999")
			d.srcMAC = s.b.mac()
			return arrives(s.hostDatagrams(wanIP+":9999"), s.a.peer, "eth0", d)
		}},
	{name: "address of someone else in a question", without: []string{"spoofed"}, want: "unknown",
		do: func(s *scene) string {
			return s.ask(question{s.a.mac(), s.a.mac(), "10.213.3.3", gateway()}, "10.213.3.3")
		}},
	{name: "IPv6", given: []string{"spoofed", "default"}, without: []string{"no-ipv6"}, want: "timeout",
		prepare: func(s *scene) { s.openIPv6() },
		do:      func(s *scene) string { return s.a.dial("tcp", "[fd00:1::1]:80") }},
}

// translate is a rule of someone else, as docker's for a published port.
func (s *scene) translate(from, to string) {
	table := &nftables.Table{Name: "other", Family: nftables.TableFamilyIPv4}
	change(s.t, func(b batch) error {
		b.AddTable(table)
		b.base(table, "pre", hooked{nftables.ChainTypeNAT, nftables.ChainHookPrerouting, -100})
		b.rule(table, "pre", "translate", all(
			inPrefix(expr.CmpOpEq, dstOffset, netip.PrefixFrom(netip.MustParseAddr(from), 32)), exprs{
				&expr.Immediate{Register: reg1, Data: netip.MustParseAddr(to).AsSlice()},
				&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg1}}))
		return nil
	})
	s.t.Cleanup(func() { change(s.t, func(b batch) error { b.DelTable(table); return nil }) })
}

// noEgress gives the scene a sandbox that may reach one address only.
func (s *scene) noEgress() {
	s.a = attach(s.t, s.a.cfg.State, spec.Network{Egress: []spec.Egress{{Prefix: netip.MustParsePrefix(farB + "/32")}}})
}

// via makes a sandbox send to an address through the host.
func (s *scene) via(b *box, to string) {
	err := inside(b.peer, func(h *netlink.Handle) error { return route(h, to+"/32", gateway()) })
	if err != nil {
		s.t.Fatal(err)
	}
}

// ask sends an ARP question and says whether the host now believes that the
// address is there.
func (s *scene) ask(q question, about string) string {
	s.a.do(order{Op: "frame", Addr: "eth0", Frame: q.frame()})
	for range 20 {
		list, err := netlink.NeighList(0, netlink.FAMILY_V4)
		if err != nil {
			return err.Error()
		}
		for _, n := range list {
			if n.IP.String() == about {
				return fmt.Sprint("known ", n.HardwareAddr)
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return "unknown"
}

// openIPv6 undoes by hand that there is no IPv6 at all.
func (s *scene) openIPv6() {
	must := func(err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	own, err := netlink.NewHandle()
	must(err)
	s.t.Cleanup(own.Close)
	must(writeSysctl("ipv6/conf/"+bridgeName+"/disable_ipv6", "0"))
	must(writeSysctl("ipv6/conf/all/forwarding", "1"))
	s.t.Cleanup(func() { must(writeSysctl("ipv6/conf/all/forwarding", "0")) })
	must(quietAddress(own, bridgeName, "fd00:2::1/64"))
	must(quietAddress(own, "wan0", "fd00:1::2/64"))
	s.t.Cleanup(func() {
		l, err := own.LinkByName("wan0")
		must(err)
		a, err := netlink.ParseAddr("fd00:1::2/64")
		must(err)
		must(own.AddrDel(l, a))
	})
	must(inside(outside, func(h *netlink.Handle) error {
		if err := quietAddress(h, "eth0", "fd00:1::1/64"); err != nil {
			return err
		}
		return route(h, "fd00:2::/64", "fd00:1::2")
	}))
	ns, err := openNamespace(s.a.pid())
	must(err)
	defer ns.close()
	must(ns.do(func() error { return writeSysctl("ipv6/conf/eth0/disable_ipv6", "0") }))
	must(quietAddress(ns.nl, "eth0", "fd00:2::2/64"))
	must(route(ns.nl, "::/0", "fd00:2::1"))
	// The port does not flood, so that questions do not arrive either.
	for _, dev := range []struct {
		h   *netlink.Handle
		l   string
		ip  string
		mac net.HardwareAddr
	}{{own, bridgeName, "fd00:2::2", s.a.mac()}, {ns.nl, "eth0", "fd00:2::1", s.bridgeMAC()}} {
		l, err := dev.h.LinkByName(dev.l)
		must(err)
		must(dev.h.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, Family: netlink.FAMILY_V6,
			State: netlink.NUD_PERMANENT, IP: net.ParseIP(dev.ip), HardwareAddr: dev.mac}))
	}
	// It works but for our rules: the host reaches the outside. A question for
	// the neighbour that is lost is asked again only after a second (RFC 4861).
	got := ""
	for deadline := time.Now().Add(10 * time.Second); !strings.HasPrefix(got, "ok"); {
		if got = dial("tcp", "[fd00:1::1]:80"); time.Now().After(deadline) {
			s.t.Fatal("the host itself has no IPv6:", got)
		}
	}
}

// quietAddress adds an IPv6 address that can be used at once.
func quietAddress(h *netlink.Handle, name, addr string) error {
	l, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	a, err := netlink.ParseAddr(addr)
	if err != nil {
		return err
	}
	a.Flags = 0x02 // IFA_F_NODAD
	return h.AddrReplace(l, a)
}

func hardware(name string) net.HardwareAddr {
	l, err := netlink.LinkByName(name)
	if err != nil {
		panic(err)
	}
	return l.Attrs().HardwareAddr
}

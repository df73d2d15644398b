package network

import (
	"net/netip"

	"github.com/vishvananda/netlink"

	"github.com/safe-run/safe-run/spec"
)

// openAttempts must succeed, each by the rules that it names.
var openAttempts = []attempt{
	{name: "published on an address", without: []string{"publish"}, want: "ok",
		do: func(s *scene) string { return outside.dial("tcp", wanIP+":8081") }},
	{name: "published on every address", without: []string{"publish-any"}, want: "ok",
		do: func(s *scene) string { return neighbourhood.dial("tcp", lanIP+":8080") }},
	{name: "published on an address, for the host", without: []string{"publish-local"}, want: "ok",
		do: func(s *scene) string { return dial("tcp", wanIP+":8081") }},
	{name: "published on every address, for the host", without: []string{"publish-any-local"}, want: "ok",
		do: func(s *scene) string { return dial("tcp", "127.0.0.1:8080") }},
	{name: "the host's address on the bridge", without: []string{"masquerade-local"}, want: "ok",
		do: func(s *scene) string { return dial("tcp", "127.0.0.1:8080") }},
	{name: "answers to the host", without: []string{"host-replies"}, want: "ok",
		do: func(s *scene) string { return dial("tcp", "127.0.0.1:8080") }},
	{name: "answers to clients", without: []string{"replies"}, want: "ok",
		// Without egress: by that a's answers would pass as questions.
		prepare: func(s *scene) { s.onlyPublished() },
		do:      func(s *scene) string { return outside.dial("tcp", wanIP+":8090") }},
	{name: "clients", without: []string{"published"}, want: "ok",
		do: func(s *scene) string { return outside.dial("tcp", wanIP+":8080") }},
	{name: "egress", without: []string{"egress"}, want: "ok",
		do: func(s *scene) string { return s.a.dial("tcp", farA+":80") }},
	{name: "answers from the outside", without: []string{"to-replies"}, want: "ok",
		do: func(s *scene) string { return s.a.dial("tcp", farA+":80") }},
	{name: "the host's address to the outside", without: []string{"masquerade-egress"}, want: "ok",
		do: func(s *scene) string { return s.a.dial("tcp", farA+":80") }},
	{name: "name server", without: []string{"dns"}, want: "ok",
		prepare: func(s *scene) {
			s.a = attach(s.t, s.a.cfg.State, spec.Network{
				Egress: []spec.Egress{{Prefix: netip.MustParsePrefix(farB + "/32")}},
				DNS:    []netip.Addr{netip.MustParseAddr(farDNS)},
			})
		},
		do: func(s *scene) string { return s.a.dial("udp", farDNS+":53") }},
	{name: "frames with one's own address", without: []string{"own-address"}, want: "ok",
		do: func(s *scene) string { return s.a.dial("tcp", farA+":80") }},
	{name: "questions about the bridge", without: []string{"own-arp"}, want: "refused",
		// A new sandbox does not know the bridge's address yet.
		do: func(s *scene) string {
			b := attach(s.t, s.a.cfg.State, spec.Network{})
			return b.dial("tcp", gateway()+":"+hostService)
		}},
	{name: "ports of other bridges", without: []string{"not-ours"}, want: "ok",
		prepare: func(s *scene) { s.otherBridge() },
		do:      func(s *scene) string { return dial("tcp", "10.99.0.2:80") }},
}

// errorAttempts end in an error that must come at once, not in silence.
var errorAttempts = []attempt{
	{name: "refusal of TCP", without: []string{"refuse-tcp"}, want: "refused",
		do: func(s *scene) string { return s.a.dial("tcp", metadataIP+":80") }},
	{name: "refusal of the rest", without: []string{"refuse"}, want: "unreachable",
		do: func(s *scene) string { return s.a.dial("udp", metadataIP+":80") }},
	{name: "way of a reset to the sandbox", without: []string{"output-related"}, want: "refused",
		do: func(s *scene) string { return s.a.dial("tcp", metadataIP+":80") }},
	{name: "way of an ICMP error to the sandbox", given: []string{"output-related"}, without: []string{"to-errors"}, want: "unreachable",
		do: func(s *scene) string { return s.a.dial("udp", metadataIP+":80") }},
	{name: "closed port outside", without: []string{"to-errors"}, want: "refused",
		do: func(s *scene) string { return s.a.dial("udp", farA+":999") }},
	{name: "closed port inside, for a client", without: []string{"errors"}, want: "refused",
		// Without egress: by that the error would pass like any packet.
		prepare: func(s *scene) {
			attach(s.t, s.a.cfg.State, spec.Network{Publish: []spec.Port{publish(wanIP, 8083, 83, "udp")}})
		},
		do: func(s *scene) string { return outside.dial("udp", wanIP+":8083") }},
	{name: "closed port inside, for the host", without: []string{"host-errors"}, want: "refused",
		do: func(s *scene) string { return dial("udp", "127.0.0.1:8082") }},
}

func (s *scene) onlyPublished() {
	b := attach(s.t, s.a.cfg.State, spec.Network{Publish: []spec.Port{publish("0.0.0.0", 8090, 80, "tcp")}})
	b.listen(s.t, "tcp", "0.0.0.0:80")
}

// otherBridge makes a bridge of someone else, with someone behind it.
func (s *scene) otherBridge() {
	must := func(err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	own, err := netlink.NewHandle()
	must(err)
	s.t.Cleanup(own.Close)
	p, err := startPeer(false)
	must(err)
	s.t.Cleanup(p.stop)
	must(cable(own, p, wire{"other0p", "10.99.1.1", "10.99.0.2"}))
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "other0"
	br := &netlink.Bridge{LinkAttrs: attrs}
	must(own.LinkAdd(br))
	s.t.Cleanup(func() { own.LinkDel(br) })
	port, err := own.LinkByName("other0p")
	must(err)
	s.t.Cleanup(func() { own.LinkDel(port) })
	must(own.LinkSetMaster(port, br))
	must(address(own, "other0", "10.99.0.1/24"))
	must(linkUp(own, "other0"))
	p.listen(s.t, "tcp", "0.0.0.0:80")
}

package network

import (
	"encoding/binary"
	"net/netip"

	"github.com/vishvananda/netlink"

	"github.com/safe-run/safe-run/spec/problem"
)

// subnetBits gives 8192 addresses: every slot, the bridge, and neither end.
const subnetBits = 19

// candidates are the subnets that are tried, in parts of the private ranges
// that other software rarely takes by itself.
var candidates = func() (out []netip.Prefix) {
	for second := 213; second <= 222; second++ {
		out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(second)}), subnetBits))
	}
	for second := 29; second <= 31; second++ {
		out = append(out, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(second)}), subnetBits))
	}
	return append(out, netip.MustParsePrefix("192.168.192.0/19"), netip.MustParsePrefix("192.168.224.0/19"))
}()

// chooseSubnet takes the first candidate that touches nothing in taken.
func chooseSubnet(taken []netip.Prefix) (netip.Prefix, error) {
next:
	for _, c := range candidates {
		for _, t := range taken {
			if c.Overlaps(t) {
				continue next
			}
		}
		return c, nil
	}
	return netip.Prefix{}, problem.New(
		"choose one: ip link add "+bridgeName+" type bridge && ip addr add 10.9.0.1/19 dev "+bridgeName,
		"no subnet is free for the bridge %s: the host's routes overlap all %d candidates", bridgeName, len(candidates))
}

// takenPrefixes lists what the host has an address in or a route to, in every
// table. A default route takes nothing.
func (h *host) takenPrefixes() ([]netip.Prefix, error) {
	addrs, err := whole(func() ([]netlink.Addr, error) { return h.nl.AddrList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return nil, explain(err, "list the host's addresses")
	}
	var taken []netip.Prefix
	for _, a := range addrs {
		taken = append(taken, toPrefix(a.IPNet))
		if a.Peer != nil {
			taken = append(taken, toPrefix(a.Peer))
		}
	}
	all := &netlink.Route{Table: 0}
	routes, err := whole(func() ([]netlink.Route, error) {
		return h.nl.RouteListFiltered(netlink.FAMILY_V4, all, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, explain(err, "list the host's routes")
	}
	for _, r := range routes {
		if p := toPrefix(r.Dst); p.IsValid() && p.Bits() > 0 {
			taken = append(taken, p)
		}
	}
	return taken, nil
}

// address is the slot's address: the first two are the network's own and the
// bridge's.
func (b bridge) address(slot int) netip.Addr {
	base := b.subnet.Masked().Addr().As4()
	n := binary.BigEndian.Uint32(base[:]) + uint32(slot) + 2
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

// of is the address within the bridge's subnet.
func (b bridge) of(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, b.subnet.Bits()) }

package network

import (
	"bytes"
	"errors"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"

	"github.com/safe-run/safe-run/spec/problem"
)

const (
	bridgeName = "saferun0"
	defaultMTU = 1500
)

// bridge is the bridge as it is.
type bridge struct {
	index   int
	gateway netip.Addr
	subnet  netip.Prefix
	fresh   bool // it was made just now
}

// bridgeSysctls are set below net/ for the bridge: none of them touches
// another interface, and all of them are gone with the bridge.
var bridgeSysctls = []struct{ key, value, why string }{
	{"ipv6/conf/" + bridgeName + "/disable_ipv6", "1", "there are no rules for it"},
	{"ipv4/conf/" + bridgeName + "/route_localnet", "1", "ports published on 127.0.0.1; rules.go drops what others send there"},
	{"ipv4/conf/" + bridgeName + "/rp_filter", "1", "a source address must be one that is routed to the bridge"},
	{"ipv4/conf/" + bridgeName + "/arp_ignore", "1", "do not tell sandboxes the host's other addresses"},
	{"ipv4/conf/" + bridgeName + "/arp_announce", "2", "nor use them in questions"},
	{"ipv4/conf/" + bridgeName + "/accept_redirects", "0", "sandboxes are no routers"},
	{"ipv4/conf/" + bridgeName + "/send_redirects", "0", "the way to another sandbox is closed"},
	{"ipv4/conf/" + bridgeName + "/accept_source_route", "0", "the sender does not choose the way"},
}

// ensureBridge finds the bridge or makes it. An administrator's own bridge of
// that name is used as it is and never removed.
func (h *host) ensureBridge() (bridge, error) {
	link, err := h.nl.LinkByName(bridgeName)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return h.makeBridge()
	}
	if err != nil {
		return bridge{}, explain(err, "look for the bridge %s", bridgeName)
	}
	if link.Type() != "bridge" {
		return bridge{}, problem.New("rename it: ip link set "+bridgeName+" name other0",
			"the interface %s is a %s, not a bridge", bridgeName, link.Type())
	}
	up := link.Attrs().Flags&net.FlagUp != 0
	if !up && ours(link) {
		// Up is the last step of making it: this one is half made.
		if err := h.nl.LinkDel(link); err != nil {
			return bridge{}, explain(err, "remove the half-made bridge %s", bridgeName)
		}
		return h.makeBridge()
	}
	return h.readBridge(link, up)
}

// ours says whether the bridge was made here, by its hardware address.
func ours(link netlink.Link) bool {
	return link.Type() == "bridge" && bytes.HasPrefix(link.Attrs().HardwareAddr, macPrefix)
}

func (h *host) readBridge(link netlink.Link, up bool) (bridge, error) {
	addrs, err := whole(func() ([]netlink.Addr, error) { return h.nl.AddrList(link, netlink.FAMILY_V4) })
	if err != nil {
		return bridge{}, explain(err, "list the addresses of %s", bridgeName)
	}
	for _, a := range addrs {
		p := toPrefix(a.IPNet)
		if p.Bits() <= subnetBits && p.Addr() == p.Masked().Addr().Next() {
			br := bridge{index: link.Attrs().Index, gateway: p.Addr(), subnet: p.Masked()}
			if !up {
				return br, h.setUpBridge(link)
			}
			return br, nil
		}
	}
	return bridge{}, problem.New("ip link del "+bridgeName,
		"the bridge %s has no address that is the first of a /%d or larger subnet", bridgeName, subnetBits)
}

func (h *host) makeBridge() (bridge, error) {
	// Without its rules there is to be no bridge either.
	if _, err := h.checkTables(); err != nil {
		return bridge{}, err
	}
	taken, err := h.takenPrefixes()
	if err != nil {
		return bridge{}, err
	}
	subnet, err := chooseSubnet(taken)
	if err != nil {
		return bridge{}, err
	}
	br := bridge{subnet: subnet, gateway: subnet.Addr().Next(), fresh: true}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = bridgeName
	// A fixed address: a bridge else takes the lowest of its ports, and
	// sandboxes would have to ask again whenever one of them comes or goes.
	// It also marks the bridge as ours from its first moment, which an alias
	// would not: the kernel ignores one in the request that makes a link.
	attrs.HardwareAddr = macOf(br.gateway)
	no := false
	link := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &no} // STP is off by itself
	if err := h.nl.LinkAdd(link); err != nil {
		return bridge{}, explain(err, "make the bridge %s", bridgeName)
	}
	addr := &netlink.Addr{IPNet: toIPNet(netip.PrefixFrom(br.gateway, subnet.Bits()))}
	if err := h.nl.AddrAdd(link, addr); err != nil {
		return bridge{}, explain(err, "give %s the address %s", bridgeName, addr)
	}
	br.index = link.Attrs().Index
	return br, h.setUpBridge(link)
}

func (h *host) setUpBridge(link netlink.Link) error {
	for _, s := range bridgeSysctls {
		if err := writeSysctl(s.key, s.value); err != nil {
			return err
		}
	}
	if err := h.nl.LinkSetUp(link); err != nil {
		return explain(err, "bring the bridge %s up", bridgeName)
	}
	return nil
}

// bridgeBusy says whether the bridge has ports that are on no record, such as
// those of a safe-run with another state directory.
func (h *host) bridgeBusy() (bool, error) {
	br, err := h.nl.LinkByName(bridgeName)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return false, nil
	}
	if err != nil {
		return false, explain(err, "look for the bridge %s", bridgeName)
	}
	links, err := whole(h.nl.LinkList)
	if err != nil {
		return false, explain(err, "list the ports of %s", bridgeName)
	}
	for _, l := range links {
		if l.Attrs().MasterIndex == br.Attrs().Index {
			return true, nil
		}
	}
	return false, nil
}

// deleteBridge removes the bridge if it was made here.
func (h *host) deleteBridge() error {
	link, err := h.nl.LinkByName(bridgeName)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err == nil && ours(link) {
		err = h.nl.LinkDel(link)
	}
	if err != nil {
		return explain(err, "remove the bridge %s", bridgeName)
	}
	return nil
}

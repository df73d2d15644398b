package network

import (
	"errors"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// portFlags are what a bridge port may do: nothing but exchange unicast frames
// with the bridge itself. The sandbox's address is a static entry (addPort),
// so that there is nothing to learn and nothing to flood, and no sandbox sees
// a frame of another.
var portFlags = []struct {
	attr  int
	value byte
}{
	{nl.IFLA_BRPORT_ISOLATED, 1}, // frames pass between it and the bridge only
	{nl.IFLA_BRPORT_MODE, 0},     // hairpin
	{nl.IFLA_BRPORT_GUARD, 1},    // spanning tree frames are dropped
	{nl.IFLA_BRPORT_LEARNING, 0},
	{nl.IFLA_BRPORT_UNICAST_FLOOD, 0},
	{nl.IFLA_BRPORT_MCAST_FLOOD, 0},
	{nl.IFLA_BRPORT_BCAST_FLOOD, 0},
}

// connect makes the pair of interfaces, one of them in ns, and sets both up.
func (h *host) connect(rec record, br bridge, ns *namespace, mtu int) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = linkName(rec.ID), mtu
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerMTU = innerName, uint32(mtu)
	veth.PeerHardwareAddr = macOf(rec.Address)
	veth.PeerNamespace = netlink.NsFd(ns.fd)
	if err := h.nl.LinkAdd(veth); err != nil {
		return explain(err, "make the interface %s", attrs.Name)
	}
	if err := h.addPort(veth, rec, br); err != nil {
		return err
	}
	if err := ns.configure(rec, br); err != nil {
		return err
	}
	// The bridge itself is only up with its first port.
	return errors.Join(waitUp(h.nl, veth.Attrs().Index), waitUp(h.nl, br.index))
}

// addPort makes a down interface a port of the bridge and then brings it up.
func (h *host) addPort(link netlink.Link, rec record, br bridge) error {
	name, index := link.Attrs().Name, link.Attrs().Index
	if err := writeSysctl("ipv6/conf/"+name+"/disable_ipv6", "1"); err != nil {
		return err
	}
	if err := h.nl.LinkSetMasterByIndex(link, br.index); err != nil {
		return explain(err, "make %s a port of %s", name, bridgeName)
	}
	if err := setPortFlags(index); err != nil {
		return explain(err, "isolate the bridge port %s", name)
	}
	fdb := &netlink.Neigh{
		LinkIndex: index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_MASTER,
		State: netlink.NUD_NOARP, HardwareAddr: macOf(rec.Address),
	}
	if err := h.nl.NeighSet(fdb); err != nil {
		return explain(err, "tell %s the address behind %s", bridgeName, name)
	}
	if err := h.nl.NeighSet(neighbour(rec, br.index)); err != nil {
		return explain(err, "tell %s the address of %s", bridgeName, rec.Address)
	}
	if err := h.nl.LinkSetUp(link); err != nil {
		return explain(err, "bring %s up", name)
	}
	return nil
}

// setPortFlags sends all flags in one request, which the library has no call
// for.
func setPortFlags(index int) error {
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_BRIDGE)
	msg.Index = int32(index)
	req.AddData(msg)
	info := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
	for _, f := range portFlags {
		info.AddRtAttr(f.attr, []byte{f.value})
	}
	req.AddData(info)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// neighbour spares the host the question who has the sandbox's address, and
// everybody else the chance to answer.
func neighbour(rec record, bridgeIndex int) *netlink.Neigh {
	return &netlink.Neigh{
		LinkIndex: bridgeIndex, Family: netlink.FAMILY_V4, State: netlink.NUD_PERMANENT,
		IP: rec.Address.AsSlice(), HardwareAddr: macOf(rec.Address),
	}
}

func (h *host) removeNeighbour(rec record) error {
	br, err := h.nl.LinkByName(bridgeName)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err == nil {
		err = h.nl.NeighDel(neighbour(rec, br.Attrs().Index))
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return explain(err, "forget the address %s", rec.Address)
	}
	return nil
}

// deleteLink removes an interface, and with it the other end. It says whether
// there was one: the kernel removes it by itself when the namespace ends.
func (h *host) deleteLink(name string) (bool, error) {
	link, err := h.nl.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return false, nil
	}
	if err == nil {
		err = h.nl.LinkDel(link)
	}
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return false, explain(err, "remove the interface %s", name)
	}
	return true, nil
}

// removeOrphans removes ports of the bridge whose sandbox is on no record.
func (h *host) removeOrphans() error {
	ids, err := h.ids()
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, id := range ids {
		known[linkName(id)] = true
	}
	links, err := whole(h.nl.LinkList)
	if err != nil {
		return explain(err, "list the interfaces")
	}
	found := false
	for _, l := range links {
		name := l.Attrs().Name
		if l.Type() != "veth" || !isLinkName(name) || known[name] {
			continue
		}
		if _, err := h.deleteLink(name); err != nil {
			return err
		}
		found = true
	}
	if !found {
		return nil
	}
	return h.rebuildRules()
}

// isLinkName says whether an interface is named as linkName names them.
func isLinkName(name string) bool {
	digits, ok := strings.CutPrefix(name, linkPrefix)
	return ok && len(digits) == 12 && strings.Trim(digits, hexDigits) == ""
}

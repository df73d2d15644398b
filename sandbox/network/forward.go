package network

import (
	"slices"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
)

// guardedSet has the interfaces that forward only since a sandbox needs it.
var guardedSet = &nftables.Set{Table: inetTable, Name: "guarded", KeyType: nftables.TypeIFName}

const globalForwarding = "ipv4/ip_forward"

func forwardingOf(name string) string { return "ipv4/conf/" + name + "/forwarding" }

// ensureForwarding lets packets pass between the bridge and other interfaces,
// and gives the largest packet that passes all of them.
//
// The kernel asks the interface a packet came in on: the bridge's for what
// sandboxes send, every other one for the answers. net.ipv4.ip_forward would
// make the host a router for all its neighbours; so each interface is switched
// by itself, and the guard drops what comes in on it and is not for a sandbox,
// which is what happened to it before.
func (h *host) ensureForwarding(br bridge) (mtu int, err error) {
	names, mtu, err := h.uplinks(br)
	if err != nil {
		return 0, err
	}
	global, err := readSysctl(globalForwarding)
	if err != nil {
		return 0, err
	}
	sh, err := h.loadShared()
	if err != nil {
		return 0, err
	}
	if global == "1" {
		// Someone made the host a router, perhaps since the last sandbox
		// came: it is theirs to say what is forwarded, and to end it.
		err = h.dropGuard(&sh)
	} else {
		err = h.switchOn(&sh, names)
	}
	if err != nil {
		return 0, err
	}
	return mtu, writeSysctl(forwardingOf(bridgeName), "1")
}

// switchOn writes down what it changes, guards it, and then changes it.
func (h *host) switchOn(sh *shared, names []string) error {
	var fresh []string
	for _, n := range names {
		value, err := readSysctl(forwardingOf(n))
		if err != nil {
			return err
		}
		if value == "0" {
			fresh = append(fresh, n)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	sh.Global = "0"
	for _, n := range fresh {
		if !slices.Contains(sh.Forwarding, n) {
			sh.Forwarding = append(sh.Forwarding, n)
		}
	}
	if err := h.saveShared(*sh); err != nil {
		return err
	}
	b, err := newBatch()
	if err != nil {
		return err
	}
	if err := b.guard(fresh); err != nil {
		return err
	}
	if err := b.Flush(); err != nil {
		return explain(err, "guard the forwarding interfaces")
	}
	for _, n := range fresh {
		if err := writeSysctl(forwardingOf(n), "1"); err != nil {
			return err
		}
	}
	return nil
}

// guard adds interfaces to the guarded ones.
func (b batch) guard(names []string) error {
	if len(names) == 0 {
		return nil
	}
	return b.SetAddElements(guardedSet, nameElements(names))
}

func nameElements(names []string) (list []nftables.SetElement) {
	for _, n := range names {
		list = append(list, nftables.SetElement{Key: ifname(n)})
	}
	return list
}

// dropGuard forgets what was switched on, as someone else wants it on.
func (h *host) dropGuard(sh *shared) error {
	if len(sh.Forwarding) == 0 {
		return nil
	}
	b, err := newBatch()
	if err != nil {
		return err
	}
	b.FlushSet(guardedSet)
	if err := b.Flush(); err != nil && !gone(err) {
		return explain(err, "end the guard of the forwarding interfaces")
	}
	sh.Forwarding = nil
	return h.saveShared(*sh)
}

// restoreForwarding switches off what was switched on, unless someone made
// the host a router since.
func (h *host) restoreForwarding() error {
	sh, err := h.loadShared()
	if err != nil || len(sh.Forwarding) == 0 {
		return err
	}
	global, err := readSysctl(globalForwarding)
	if err != nil {
		return err
	}
	if global == "1" {
		return h.dropGuard(&sh)
	}
	for _, n := range sh.Forwarding {
		if _, err := readSysctl(forwardingOf(n)); err != nil {
			continue // the interface is gone
		}
		if err := writeSysctl(forwardingOf(n), "0"); err != nil {
			return err
		}
	}
	return nil
}

// uplinks lists the interfaces with an IPv4 address or route: those that
// answers and clients of published ports can come in on. One that appears
// later is found by the next sandbox.
func (h *host) uplinks(br bridge) (names []string, mtu int, err error) {
	addrs, err := whole(func() ([]netlink.Addr, error) { return h.nl.AddrList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return nil, 0, explain(err, "list the host's addresses")
	}
	routes, err := whole(func() ([]netlink.Route, error) { return h.nl.RouteList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return nil, 0, explain(err, "list the host's routes")
	}
	use := map[int]bool{}
	for _, a := range addrs {
		use[a.LinkIndex] = !a.IP.IsLoopback()
	}
	for _, r := range routes {
		use[r.LinkIndex] = true
	}
	use[br.index] = false
	links, err := whole(h.nl.LinkList)
	if err != nil {
		return nil, 0, explain(err, "list the interfaces")
	}
	mtu = defaultMTU
	for _, l := range links {
		a := l.Attrs()
		if !use[a.Index] || a.Name == loopbackIfname {
			continue
		}
		names = append(names, a.Name)
		if a.MTU >= minMTU {
			mtu = min(mtu, a.MTU)
		}
	}
	return names, mtu, nil
}

// minMTU is the least that is believed of an uplink: RFC 791 requires 576 of
// every host.
const minMTU = 576

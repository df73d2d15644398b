package network

import (
	"bytes"
	"errors"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// whole repeats a listing that the kernel says changed while it was given,
// which happens whenever something else comes or goes on the host.
func whole[T any](list func() ([]T, error)) (all []T, err error) {
	for range 50 {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}

// toPrefix gives an IPv4 prefix with its host bits; invalid for nil.
func toPrefix(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	a, ok := netip.AddrFromSlice(n.IP)
	bits, size := n.Mask.Size()
	if !ok || size == 0 {
		return netip.Prefix{}
	}
	if size == 128 && a.Is4In6() && bits >= 96 {
		bits -= 96
	}
	return netip.PrefixFrom(a.Unmap(), bits)
}

func toIPNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// macOf is a locally administered address made of an IPv4 address, so that it
// is known without being stored and no two of a subnet are the same.
func macOf(a netip.Addr) net.HardwareAddr {
	b := a.As4()
	return append(bytes.Clone(macPrefix), b[:]...)
}

var macPrefix = net.HardwareAddr{0x02, 0x5a}

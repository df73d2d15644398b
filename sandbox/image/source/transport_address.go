package source

import (
	"net/netip"
)

// kind is what sort of place an address is.
type kind int

const (
	nowhere   kind = iota // unspecified, multicast, reserved
	public                // the internet
	private               // an inner network
	linkLocal             // this link
	loopback              // this machine
	metadata              // where clouds hand out credentials to their machines
)

var kindNames = map[kind]string{
	nowhere: "a reserved", public: "a public", private: "a private",
	linkLocal: "a link-local", loopback: "a loopback", metadata: "a cloud metadata",
}

// metadataAddresses are those of the large clouds.
var metadataAddresses = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), // nearly all
	netip.MustParseAddr("169.254.170.2"),   // Amazon's containers
	netip.MustParseAddr("169.254.170.23"),  // Amazon's Kubernetes
	netip.MustParseAddr("fd00:ec2::254"),
	netip.MustParseAddr("fd00:ec2::23"),
	netip.MustParseAddr("fd20:ce::254"),    // Google
	netip.MustParseAddr("100.100.100.200"), // Alibaba
	netip.MustParseAddr("192.0.0.192"),     // Oracle
	netip.MustParseAddr("168.63.129.16"),   // Azure
}

// special are the ranges that netip has no words for (RFC 6890 and its
// registries).
var special = []struct {
	prefix netip.Prefix
	kind   kind
}{
	{netip.MustParsePrefix("0.0.0.0/8"), nowhere},
	{netip.MustParsePrefix("100.64.0.0/10"), private}, // carriers' NAT
	{netip.MustParsePrefix("192.0.0.0/24"), nowhere},
	{netip.MustParsePrefix("198.18.0.0/15"), private}, // benchmarks
	{netip.MustParsePrefix("240.0.0.0/4"), nowhere},
	{netip.MustParsePrefix("100::/64"), nowhere},
	{netip.MustParsePrefix("fec0::/10"), private},
}

// The prefixes whose addresses carry an IPv4 address that a gateway goes on to.
var (
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
	local = netip.MustParsePrefix("64:ff9b:1::/48")
	sixTo = netip.MustParsePrefix("2002::/16")
	embed = netip.MustParsePrefix("::/96")
)

// kindOf sorts an address; one that stands for an IPv4 address is sorted as that.
func kindOf(a netip.Addr) kind {
	a = inner(a.Unmap().WithZone(""))
	for _, m := range metadataAddresses {
		if a == m {
			return metadata
		}
	}
	for _, s := range special {
		if s.prefix.Contains(a) {
			return s.kind
		}
	}
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsMulticast():
		return nowhere
	case a.IsLoopback():
		return loopback
	case a.IsLinkLocalUnicast():
		return linkLocal
	case a.IsPrivate():
		return private
	}
	return public
}

// inner gives the IPv4 address inside a.
func inner(a netip.Addr) netip.Addr {
	if !a.Is6() || a.IsLoopback() || a.IsUnspecified() {
		return a
	}
	b := a.As16()
	switch {
	case nat64.Contains(a), local.Contains(a), embed.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixTo.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}

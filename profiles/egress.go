package profiles

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// The destinations that stand for every public unicast address: all of them,
// or those of one version of IP.
const (
	Internet  = "internet"
	Internet4 = "internet4"
	Internet6 = "internet6"
)

// maxEgress bounds the rules that one document can write, because tightening
// compares them pair by pair.
const maxEgress = 64

// Span is a prefix less some parts of it.
type Span struct {
	Prefix netip.Prefix
	Except []netip.Prefix
}

// PortRange is First to Last of one protocol, "tcp" or "udp", both included.
type PortRange struct {
	Protocol    string
	First, Last uint16
}

// internet4 and internet6 are the public unicast addresses: what IANA's
// special-purpose registries (RFC 6890) do not set apart. 168.63.129.16 looks
// public but is Azure's host agent.
func internet4() Span {
	return Span{netip.MustParsePrefix("0.0.0.0/0"), prefixes(
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32",
		"169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
		"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
		"224.0.0.0/4", "240.0.0.0/4")}
}

// 2002::/16 (6to4) and 2001::/23 (with Teredo) can carry private IPv4
// addresses inside.
func internet6() Span {
	return Span{netip.MustParsePrefix("2000::/3"), prefixes(
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")}
}

// neverReached are the ranges that no rule opens: this host, the link (with
// the metadata services of clouds) and multicast.
func neverReached() []netip.Prefix {
	return prefixes("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32",
		"::/127", "fe80::/10", "ff00::/8", "fd00:ec2::254/128", "fd20:ce::254/128")
}

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, text := range list {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// String writes a rule in short: "internet 443/tcp,80/tcp".
func (e Egress) String() string {
	if len(e.Ports) == 0 {
		return e.To
	}
	return e.To + " " + strings.Join(e.Ports, ",")
}

// Spans gives the addresses of a rule, or an error when To is none.
func (e Egress) Spans() ([]Span, error) {
	switch e.To {
	case Internet:
		return []Span{internet4(), internet6()}, nil
	case Internet4:
		return []Span{internet4()}, nil
	case Internet6:
		return []Span{internet6()}, nil
	}
	prefix, err := parsePrefix(e.To)
	if err != nil {
		return nil, err
	}
	return []Span{{Prefix: prefix}}, nil
}

// PortRanges gives the ports of a rule; nil means every port and protocol.
func (e Egress) PortRanges() ([]PortRange, error) {
	var out []PortRange
	for _, text := range e.Ports {
		r, err := parsePorts(text)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// parsePrefix reads an address or a CIDR.
func parsePrefix(text string) (netip.Prefix, error) {
	const hint = `write an address, a CIDR such as 10.1.0.0/16, "internet", "internet4" or "internet6"`
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, problem.New(hint, "%q is not a destination%s", clip(text), didYouMean(text, []string{Internet}))
		}
		if addr.Zone() != "" {
			return netip.Prefix{}, problem.New(hint, "%q has a zone, which means nothing outside this host", clip(text))
		}
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	if prefix.Addr().Is4In6() {
		return netip.Prefix{}, problem.New("write "+prefix.Addr().Unmap().String(), "%q is an IPv4 address written as IPv6", text)
	}
	if prefix != prefix.Masked() {
		return netip.Prefix{}, problem.New("write "+prefix.Masked().String(), "%q has bits set behind the prefix", text)
	}
	return prefix, nil
}

// neverReachable reports whether a rule opens nothing but what stays closed.
func neverReachable(to string) bool {
	prefix, err := parsePrefix(to)
	return err == nil && slices.ContainsFunc(neverReached(), func(never netip.Prefix) bool { return contains(never, prefix) })
}

// contains reports whether outer holds all of inner.
func contains(outer, inner netip.Prefix) bool {
	return outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
}

// parsePorts reads "443/tcp" and "8000-8100/udp".
func parsePorts(text string) (PortRange, error) {
	const hint = "write ports as 443/tcp, 53/udp or 8000-8100/tcp"
	bad := func() (PortRange, error) { return PortRange{}, badScalar("port", text, hint) }
	numbers, protocol, ok := strings.Cut(text, "/")
	if !ok || (protocol != "tcp" && protocol != "udp") {
		return bad()
	}
	first, last, isRange := strings.Cut(numbers, "-")
	if !isRange {
		last = first
	}
	from, ok1 := parsePort(first)
	to, ok2 := parsePort(last)
	if !ok1 || !ok2 || from > to {
		return bad()
	}
	return PortRange{Protocol: protocol, First: from, Last: to}, nil
}

func parsePort(text string) (uint16, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err == nil && n > 0 && digits(text)
}

// String writes a range as in a profile.
func (r PortRange) String() string {
	if r.First == r.Last {
		return fmt.Sprintf("%d/%s", r.First, r.Protocol)
	}
	return fmt.Sprintf("%d-%d/%s", r.First, r.Last, r.Protocol)
}

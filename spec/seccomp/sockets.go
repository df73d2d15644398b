package seccomp

import "slices"

// Address families that have rules of their own, and types of sockets.
const (
	afUnix    = 1
	afInet    = 2
	afInet6   = 10
	afNetlink = 16
	afKey     = 15
	afPacket  = 17
	afCAN     = 29
	afXDP     = 44

	sockStream    = 1
	sockDgram     = 2
	sockRaw       = 3
	sockSeqpacket = 5

	// familyBound is above every family, and a power of two.
	familyBound = 64

	// sockTypeMask is the part of the type argument that is not a flag such
	// as SOCK_CLOEXEC (SOCK_TYPE_MASK in linux/net.h).
	sockTypeMask = 0xf

	protoDefault = 0
	protoTCP     = 6
	protoUDP     = 17
	netlinkRoute = 0
)

// socketRule is an allow-list of families, and inside a family of types and
// protocols: with AF_INET alone a program could still load SCTP, SMC, L2TP or
// UDP-Lite into the kernel.
func socketRule(p Policy) rule {
	r := rule{name: "socket", why: "only the address families of the profile"}
	var allowed []uint32
	for _, name := range slices.Compact(slices.Sorted(slices.Values(p.Families))) {
		number, ok := familyNumber(name)
		if !ok {
			continue // refused by Render
		}
		allowed = append(allowed, number)
		r.allow = append(r.allow, familyConditions(number, p.RawSockets)...)
	}
	// A kernel without a family says so, and servers that try IPv6 first go by
	// that answer. Numbers that are no family get the default one: each bit of
	// them would be a rule more to compile at every launch.
	r.errno = eafnosupport
	for _, c := range complement(allowed) {
		if c.mask == 0 {
			return rule{name: r.name, why: r.why, deny: []conditions{nil}, errno: r.errno}
		}
		if c.value < familyBound {
			r.deny = append(r.deny, conditions{bits32(0, c.mask|^uint32(familyBound-1), c.value)})
		}
	}
	return r
}

func familyConditions(family uint32, raw bool) []conditions {
	is := func(kind uint32, protocol ...uint32) conditions {
		c := conditions{int32Is(0, family), bits32(1, sockTypeMask, kind)}
		for _, p := range protocol {
			c = append(c, int32Is(2, p))
		}
		return c
	}
	switch family {
	case afInet, afInet6:
		out := []conditions{
			is(sockStream, protoDefault), is(sockStream, protoTCP),
			is(sockDgram, protoDefault), is(sockDgram, protoUDP),
		}
		if raw {
			out = append(out, is(sockRaw))
		}
		return out
	case afNetlink:
		// rtnetlink answers what interfaces and addresses there are; the other
		// protocols (xfrm, netfilter, audit, generic) reach much more code.
		return []conditions{is(sockDgram, netlinkRoute), is(sockRaw, netlinkRoute)}
	case afCAN, afKey, afPacket, afXDP: // what they have are raw sockets, and datagrams
		return []conditions{is(sockDgram), is(sockRaw)}
	default:
		return []conditions{is(sockStream), is(sockDgram), is(sockSeqpacket)}
	}
}

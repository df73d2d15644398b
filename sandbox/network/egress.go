package network

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// sandboxMap leads from a sandbox's address to the chain of its egress.
var sandboxMap = &nftables.Set{Table: inetTable, Name: "sandboxes-" + layout, IsMap: true,
	KeyType: nftables.TypeIPAddr, DataType: nftables.TypeVerdict}

// dnsPort is where the resolvers of a plan are reachable.
const dnsPort = 53

// sandbox adds everything of one sandbox.
func (b batch) sandbox(rec record) error {
	main := b.chain(inetTable, chainName(rec.ID)).Name
	b.egressRules(main, rec.Network)
	if err := b.countBlocked(rec.ID); err != nil {
		return err
	}
	for _, e := range sandboxElements(rec) {
		if len(e.list) == 0 {
			continue
		}
		if err := b.SetAddElements(e.set, e.list); err != nil {
			return err
		}
	}
	return nil
}

func sandboxElements(rec record) []elements {
	jump := &expr.Verdict{Kind: expr.VerdictJump, Chain: chainName(rec.ID)}
	out := []elements{{sandboxMap, []nftables.SetElement{{Key: addrKey(rec.Address), VerdictData: jump}}}, blockedElements(rec)}
	return append(append(out, spoofElements(rec)...), publishElements(rec)...)
}

// egressRules write the plan's egress into a chain: what it accepts is
// allowed, what comes to its end is not. An Except closes a part of its own
// entry only; another entry may open it. Entries for IPv6 allow nothing, as a
// sandbox has no IPv6.
func (b batch) egressRules(chain string, n spec.Network) {
	open := false
	for i, e := range n.Egress {
		prefix := v4(e.Prefix)
		if !prefix.IsValid() {
			continue
		}
		open = true
		in := inPrefix(expr.CmpOpEq, dstOffset, prefix)
		if len(e.Except) == 0 {
			b.allow(chain, in, e.Ports)
			continue
		}
		sub := exceptChain(chain, i)
		b.chain(inetTable, sub)
		for _, x := range e.Except {
			if x := v4(x); x.IsValid() {
				b.rule(inetTable, sub, "except", all(inPrefix(expr.CmpOpEq, dstOffset, x), verdict(expr.VerdictReturn)))
			}
		}
		b.allow(sub, nil, e.Ports)
		b.rule(inetTable, chain, "egress", all(in, jump(sub)))
	}
	for _, a := range n.DNS {
		if a := a.Unmap(); open && a.Is4() {
			to := inPrefix(expr.CmpOpEq, dstOffset, netip.PrefixFrom(a, 32))
			b.rule(inetTable, chain, "dns", all(to, dports(unix.IPPROTO_UDP, dnsPort, dnsPort), accept()))
			b.rule(inetTable, chain, "dns", all(to, dports(unix.IPPROTO_TCP, dnsPort, dnsPort), accept()))
		}
	}
}

// allow accepts packets that match to the ports, or to any when there are
// none.
func (b batch) allow(chain string, match exprs, ports []spec.PortRange) {
	if len(ports) == 0 {
		b.rule(inetTable, chain, "egress", all(match, accept()))
	}
	for _, p := range ports {
		b.rule(inetTable, chain, "egress", all(match, dports(protocol(p.Protocol), p.First, p.Last), accept()))
	}
}

// countRules is how many rules egressRules writes, at most.
func countRules(n spec.Network) int {
	count := 2 * len(n.DNS)
	for _, e := range n.Egress {
		count += 2 + len(e.Except) + len(e.Ports)
	}
	return count
}

func exceptChain(chain string, i int) string { return fmt.Sprintf("%s-%d", chain, i) }

// v4 gives an IPv4 prefix without host bits, invalid for any other.
func v4(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if !p.IsValid() || !p.Addr().Is4() {
		return netip.Prefix{}
	}
	return p.Masked()
}

// removeRules removes what addRules added, and whatever of it is there: it
// adds each part, which is nothing when it exists, and deletes it, in one
// transaction. (A command that deletes without an error when there is nothing
// came with Linux 6.3.)
func (h *host) removeRules(rec record) error {
	b, err := newBatchIn(h.kept)
	if err != nil {
		return err
	}
	main := b.chain(inetTable, chainName(rec.ID))
	chains := []*nftables.Chain{main, b.chain(inetTable, blockedName(rec.ID))}
	sets, err := b.removable(rec.ID)
	if err != nil {
		return err
	}
	for i, e := range rec.Network.Egress {
		if v4(e.Prefix).IsValid() && len(e.Except) > 0 {
			chains = append(chains, b.chain(inetTable, exceptChain(main.Name, i)))
		}
	}
	for _, e := range sandboxElements(rec) {
		if len(e.list) == 0 {
			continue
		}
		if err := b.SetAddElements(e.set, e.list); err != nil {
			return err
		}
		if err := b.SetDeleteElements(e.set, e.list); err != nil {
			return err
		}
	}
	for _, c := range chains { // first the one that jumps to the others
		b.FlushChain(c)
	}
	for _, c := range chains {
		b.DelChain(c)
	}
	for _, s := range sets {
		b.DelSet(s)
	}
	err = b.Flush()
	if taken(err) {
		// It died between its record and its rules, and another has its
		// address or port by now: that one's record says what is to stay.
		return errors.Join(h.forget(rec.ID), h.rebuildRules())
	}
	if err != nil && !gone(err) {
		return explain(err, "remove the packet filter rules of sandbox %.12s", rec.ID)
	}
	return nil
}

package network

import (
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// What is refused in an enclosed namespace is counted as it is for a sandbox on
// the bridge; there IPv6 is counted, too.

var addr6ProtoPort = nftables.MustConcatSetType(nftables.TypeIP6Addr, nftables.TypeInetProto, nftables.TypeInetService)

func blocked6Name(id string) string { return "blocked6-" + id[:12] }

// blocked6Sets are blockedSets for IPv6.
func blocked6Sets(id string) (since, counts *nftables.Set) {
	set := func(name string) *nftables.Set {
		return &nftables.Set{Table: inetTable, Name: name, Concatenation: true, KeyType: addr6ProtoPort,
			Dynamic: true, HasTimeout: true, Size: mostBlocked}
	}
	return set("since6-" + id[:12]), set(blocked6Name(id))
}

// countBlocked6 is countBlocked for IPv6.
func (b batch) countBlocked6(id string) error {
	since, counts := blocked6Sets(id)
	for _, s := range []*nftables.Set{since, counts} {
		if err := b.AddSet(s, nil); err != nil {
			return err
		}
	}
	fill := exprs{
		&expr.Dynset{SrcRegKey: reg1, SetName: since.Name, SetID: since.ID, Operation: uint32(unix.NFT_DYNSET_OP_ADD), Timeout: kept},
		&expr.Dynset{SrcRegKey: reg1, SetName: counts.Name, SetID: counts.ID, Operation: uint32(unix.NFT_DYNSET_OP_UPDATE), Timeout: kept,
			Exprs: []expr.Any{&expr.Counter{}}},
	}
	chain := b.chain(inetTable, blocked6Name(id)).Name
	to := exprs{network(dst6Offset, addr6Len, reg32)}
	const proto = reg32 + addr6Len/4
	other := exprs{}
	for _, ported := range []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
		b.rule(inetTable, chain, "count", all(l4(ported), to, protocolAndPort(proto), fill, verdict(expr.VerdictReturn)))
		other = all(other, exprs{meta(expr.MetaKeyL4PROTO), cmp(expr.CmpOpNeq, ported)})
	}
	b.rule(inetTable, chain, "count", all(other, to, exprs{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: proto}, &expr.Immediate{Register: proto + 1, Data: []byte{0, 0, 0, 0}},
	}, fill, verdict(expr.VerdictReturn)))
	for _, a := range spec.Metadata() {
		if a.Is6() {
			b.rule(inetTable, chain, moreLinkLocal, all(inPrefix6(netip.PrefixFrom(a, 128)), exprs{&expr.Counter{}}, verdict(expr.VerdictReturn)))
		}
	}
	b.rule(inetTable, chain, moreBlocked, exprs{&expr.Counter{}})
	return nil
}

// Blocked gives what was refused so far, of each address family in the order of
// its first packets.
func (e *Enclosure) Blocked() (out []spec.Blocked, err error) {
	b, err := e.batch(nftables.AsLasting())
	if err != nil {
		return nil, err
	}
	defer b.CloseLasting()
	now := time.Now().UTC()
	for _, family := range []struct {
		sets  func(string) (since, counts *nftables.Set)
		chain string
	}{{blockedSets, blockedName(e.id)}, {blocked6Sets, blocked6Name(e.id)}} {
		since, counts := family.sets(e.id)
		all, err := b.GetSetElements(counts)
		if err != nil {
			return out, explain(err, "read what the container's network was refused")
		}
		if len(all) == 0 {
			continue
		}
		begun, err := b.GetSetElements(since)
		if err != nil {
			return out, explain(err, "read what the container's network was refused")
		}
		out = append(out, blockedOf(all, begun, now)...)
		if len(all) < mostBlocked {
			continue
		}
		more, err := b.moreBlocked(family.chain, now)
		if err != nil {
			return out, err
		}
		out = append(out, more...)
	}
	return out, nil
}

package network

import (
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// What a sandbox's packets are refused is counted by the kernel itself, in sets
// of its own that the refusing rules fill: nobody has to watch, and a packet
// that passes meets none of these rules.

// mostBlocked bounds how many destinations of one sandbox are told apart. What
// comes after them is counted in all.
const mostBlocked = 256

// kept is how long an entry lasts after its last packet: for as long as any
// sandbox. The time that is left of it says when that packet came.
const kept = 10 * 365 * 24 * time.Hour

// blockedMap leads from a sandbox's address to the chain that counts.
var blockedMap = &nftables.Set{Table: inetTable, Name: "blocked", IsMap: true,
	KeyType: nftables.TypeIPAddr, DataType: nftables.TypeVerdict}

// The rules that count what has no room in the sets. Those for link-local
// addresses, and for metadata services elsewhere, are apart, so that nobody hides a look at the metadata service
// behind a scan.
const (
	moreLinkLocal = "more-link-local"
	moreBlocked   = "more"
)

func blockedName(id string) string { return "blocked-" + id[:12] }

// blockedSets are those of one sandbox: when the first packet to a destination
// was refused, and how many were and when the last.
func blockedSets(id string) (since, counts *nftables.Set) {
	set := func(name string) *nftables.Set {
		return &nftables.Set{Table: inetTable, Name: name, Concatenation: true, KeyType: addrProtoPort,
			Dynamic: true, HasTimeout: true, Size: mostBlocked}
	}
	return set("since-" + id[:12]), set(blockedName(id))
}

// refuseSandbox counts for the sandbox that a packet comes from, and refuses.
func (b batch) refuseSandbox() {
	b.rule(inetTable, chainRefuseBox, "count", all(ipv4(), exprs{
		network(srcOffset, 4, reg1), &expr.Lookup{SourceRegister: reg1, SetName: blockedMap.Name, IsDestRegSet: true},
	}))
	b.rule(inetTable, chainRefuseBox, "refuse-sandbox", jump(chainReject))
}

// countBlocked adds the sets of one sandbox and the rules that fill them.
func (b batch) countBlocked(id string) error {
	since, counts := blockedSets(id)
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
	chain := b.chain(inetTable, blockedName(id)).Name
	// A rule ends where its set is full, and the next one has the packet.
	ported := []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP}
	other := exprs{}
	for _, proto := range ported {
		b.rule(inetTable, chain, "count", all(l4(proto), destination(reg32), fill, verdict(expr.VerdictReturn)))
		other = all(other, exprs{meta(expr.MetaKeyL4PROTO), cmp(expr.CmpOpNeq, proto)})
	}
	b.rule(inetTable, chain, "count", all(other, exprs{
		network(dstOffset, 4, reg32), &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg32 + 1},
		&expr.Immediate{Register: reg32 + 2, Data: []byte{0, 0, 0, 0}},
	}, fill, verdict(expr.VerdictReturn)))
	b.rule(inetTable, chain, moreLinkLocal, all(inPrefix(expr.CmpOpEq, dstOffset, linkLocalNet),
		exprs{&expr.Counter{}}, verdict(expr.VerdictReturn)))
	for _, a := range spec.Metadata() {
		if a.Is4() && !a.IsLinkLocalUnicast() {
			b.rule(inetTable, chain, moreLinkLocal, all(inPrefix(expr.CmpOpEq, dstOffset, netip.PrefixFrom(a, 32)),
				exprs{&expr.Counter{}}, verdict(expr.VerdictReturn)))
		}
	}
	b.rule(inetTable, chain, moreBlocked, exprs{&expr.Counter{}})
	return nil
}

// blockedElements leads a sandbox's packets to its chain.
func blockedElements(rec record) elements {
	jump := &expr.Verdict{Kind: expr.VerdictJump, Chain: blockedName(rec.ID)}
	return elements{blockedMap, []nftables.SetElement{{Key: addrKey(rec.Address), VerdictData: jump}}}
}

// removable adds the sets, so that they are there to be deleted.
func (b batch) removable(id string) (sets []*nftables.Set, err error) {
	since, counts := blockedSets(id)
	for _, s := range []*nftables.Set{since, counts} {
		if err := b.AddSet(s, nil); err != nil {
			return nil, err
		}
		sets = append(sets, s)
	}
	return sets, nil
}

// destinationOf reads a key of the sets: address, protocol and port, each in
// four bytes.
func destinationOf(key []byte) (to netip.AddrPort, protocol byte, ok bool) {
	if len(key) != 12 && len(key) != 24 {
		return netip.AddrPort{}, 0, false
	}
	addr, ok := netip.AddrFromSlice(key[:len(key)-8])
	key = key[len(key)-8:]
	return netip.AddrPortFrom(addr, uint16(key[4])<<8|uint16(key[5])), key[0], ok
}

package network

import (
	"encoding/binary"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// ownersSet says which hardware and IP address a port may send from. A port that
// is not in it sends nothing: an interface can outlive its sandbox (Leave), and
// the address is another's by then.
var ownersSet = &nftables.Set{Table: bridgeTable, Name: "owners", Concatenation: true,
	KeyType: nftables.MustConcatSetType(nftables.TypeIFName, nftables.TypeEtherAddr, nftables.TypeIPAddr)}

const chainSpoof = "prerouting"

// Offsets in an Ethernet header and in an ARP message for IPv4.
const (
	etherSrcOffset  = 6
	etherTypeOffset = 12
	arpSenderMAC    = 8
	arpSenderIP     = 14
	arpTargetIP     = 24
)

// spoofRules check each frame from a sandbox before the bridge looks at it:
// IPv4 and ARP for IPv4 from the sandbox's own two addresses, questions about
// the bridge's address only. IPv6, tagged frames and all else end here.
func (b batch) spoofRules(br bridge) error {
	set := *ownersSet
	if err := b.AddSet(&set, nil); err != nil {
		return err
	}
	b.base(bridgeTable, chainSpoof, hooked{nftables.ChainTypeFilter, nftables.ChainHookPrerouting, -300})
	for _, other := range ports(expr.CmpOpNeq) {
		b.rule(bridgeTable, chainSpoof, "not-ours", all(exprs{meta(expr.MetaKeyIIFNAME), other}, accept()))
	}
	b.rule(bridgeTable, chainSpoof, "own-address", all(
		etherType(unix.ETH_P_IP), owner(linkHeader(etherSrcOffset, 6, 0), network(srcOffset, 4, 0)), accept()))
	b.rule(bridgeTable, chainSpoof, "own-arp", all(
		etherType(unix.ETH_P_ARP), arpForIPv4(),
		owner(linkHeader(etherSrcOffset, 6, 0), network(arpSenderIP, 4, 0)),
		owner(network(arpSenderMAC, 6, 0), network(arpSenderIP, 4, 0)),
		exprs{network(arpTargetIP, 4, reg1), cmp(expr.CmpOpEq, br.gateway.AsSlice()...)},
		accept()))
	b.rule(bridgeTable, chainSpoof, "spoofed", drop())
	return nil
}

func linkHeader(offset, length, register uint32) *expr.Payload {
	return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseLLHeader, Offset: offset, Len: length}
}

// etherType compares the type on the wire, which is that of the tag in a
// tagged frame.
func etherType(t uint16) exprs {
	return exprs{linkHeader(etherTypeOffset, 2, reg1), cmp(expr.CmpOpEq, binary.BigEndian.AppendUint16(nil, t)...)}
}

// arpForIPv4 matches Ethernet and IPv4, with addresses of 6 and 4 bytes.
func arpForIPv4() exprs {
	return exprs{network(0, 6, reg1), cmp(expr.CmpOpEq, 0, 1, 0x08, 0x00, 6, 4)}
}

// ports match the host's side of a sandbox's interface by its name, whether or
// not the sandbox is still there: linkPrefix, and twelve digits. All but the first
// two of these are between 0 and f; what is after them ends the name.
func ports(op expr.CmpOp) exprs {
	digits := func(word uint32, first, last string) expr.Any {
		return &expr.Range{Op: op, Register: reg32 + word, FromData: []byte(first), ToData: []byte(last)}
	}
	return exprs{
		cmp(op, []byte(linkPrefix)...),
		digits(1, "0000", "ffff"), digits(2, "0000", "ffff"), digits(3, "00\x00\x00", "ff\x00\x00"),
	}
}

// owner matches when the port may send from the addresses that mac and ip
// load. A name takes four registers, a hardware address two.
func owner(mac, ip expr.Any) exprs {
	m, i := *mac.(*expr.Payload), *ip.(*expr.Payload)
	m.DestRegister, i.DestRegister = reg32+4, reg32+6
	return exprs{meta(expr.MetaKeyIIFNAME), &m, &i, &expr.Lookup{SourceRegister: reg1, SetName: ownersSet.Name}}
}

// spoofElements are those of one sandbox.
func spoofElements(rec record) []elements {
	name := ifname(linkName(rec.ID))
	mac := append(append([]byte{}, macOf(rec.Address)...), 0, 0)
	return []elements{
		{ownersSet, []nftables.SetElement{{Key: join(name, mac, addrKey(rec.Address))}}},
	}
}

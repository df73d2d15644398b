package network

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

var (
	addrProtoPort = nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetProto, nftables.TypeInetService)
	protoPort     = nftables.MustConcatSetType(nftables.TypeInetProto, nftables.TypeInetService)
	addrPort      = nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetService)

	// publishMap has the ports published on one address of the host,
	// publishAnyMap those published on all of them.
	publishMap = &nftables.Set{Table: inetTable, Name: "publish", IsMap: true,
		Concatenation: true, KeyType: addrProtoPort, DataType: addrPort}
	publishAnyMap = &nftables.Set{Table: inetTable, Name: "publish-any", IsMap: true,
		Concatenation: true, KeyType: protoPort, DataType: addrPort}
	// openSet has the addresses, protocols and ports of sandboxes that are
	// published at all. A translation that the kernel remembers for an earlier
	// sandbox is not enough to reach a later one with the same address.
	openSet = &nftables.Set{Table: inetTable, Name: "open", Concatenation: true, KeyType: addrProtoPort}
)

// publishedOn translates when destination, protocol and port are in the map.
func publishedOn() exprs { return all(destination(reg32), translate(publishMap)) }

// publishedAnywhere does so without the destination, which the rule has found
// to be an address of the host.
func publishedAnywhere() exprs { return all(protocolAndPort(reg32), translate(publishAnyMap)) }

func translate(m *nftables.Set) exprs {
	return exprs{
		&expr.Lookup{SourceRegister: reg1, SetName: m.Name, DestRegister: reg1, IsDestRegSet: true},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: reg1, RegProtoMin: reg32 + 1},
	}
}

// destination loads address, protocol and port into three registers.
func destination(reg uint32) exprs {
	return all(exprs{network(dstOffset, 4, reg)}, protocolAndPort(reg+1))
}

func protocolAndPort(reg uint32) exprs {
	return exprs{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg},
		&expr.Payload{DestRegister: reg + 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
	}
}

// Parts of keys, each filled to a register of 4 bytes.
func addrKey(a netip.Addr) []byte { return a.AsSlice() }
func portKey(p uint16) []byte     { return append(binary.BigEndian.AppendUint16(nil, p), 0, 0) }
func protoKey(name string) []byte { return []byte{protocol(name), 0, 0, 0} }

func protocol(name string) byte {
	if name == "udp" {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}

func join(parts ...[]byte) (key []byte) {
	for _, p := range parts {
		key = append(key, p...)
	}
	return key
}

// elements are what one sandbox adds to the sets and maps.
type elements struct {
	set  *nftables.Set
	list []nftables.SetElement
}

// publishElements lists what publishing takes. Ports published twice, on two
// addresses of the host, are one open port.
func publishElements(rec record) []elements {
	on, anywhere, open := elements{set: publishMap}, elements{set: publishAnyMap}, elements{set: openSet}
	seen := map[string]bool{}
	for _, p := range rec.Network.Publish {
		to := join(addrKey(rec.Address), portKey(p.ContainerPort))
		from := join(protoKey(p.Protocol), portKey(p.HostPort))
		if ip := hostIP(p); ip.IsUnspecified() {
			anywhere.list = append(anywhere.list, nftables.SetElement{Key: from, Val: to})
		} else {
			on.list = append(on.list, nftables.SetElement{Key: join(addrKey(ip), from), Val: to})
		}
		key := openKey(rec.Address, p)
		if !seen[string(key)] {
			seen[string(key)] = true
			open.list = append(open.list, nftables.SetElement{Key: key})
		}
	}
	return []elements{on, anywhere, open}
}

func openKey(a netip.Addr, p spec.Port) []byte {
	return join(addrKey(a), protoKey(p.Protocol), portKey(p.ContainerPort))
}

package network

import (
	"net/netip"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The registers in use. Register 1 is the first of 16 registers of 4 bytes,
// which are numbered from 8: a value of several parts lies in reg1 onwards.
const (
	reg1  = unix.NFT_REG_1
	reg32 = unix.NFT_REG32_00 // the same place as reg1
)

// exprs is a rule's conditions and what then happens.
type exprs = []expr.Any

// all joins conditions.
func all(parts ...exprs) (out exprs) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func cmp(op expr.CmpOp, data ...byte) expr.Any {
	return &expr.Cmp{Op: op, Register: reg1, Data: data}
}

// ifname is a name as the kernel compares it: 16 bytes, filled with zeroes.
func ifname(name string) []byte {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return b
}

func meta(key expr.MetaKey) expr.Any { return &expr.Meta{Key: key, Register: reg1} }

func iif(op expr.CmpOp, name string) exprs {
	return exprs{meta(expr.MetaKeyIIFNAME), cmp(op, ifname(name)...)}
}

func oif(op expr.CmpOp, name string) exprs {
	return exprs{meta(expr.MetaKeyOIFNAME), cmp(op, ifname(name)...)}
}

// iifIn matches when the interface is in a set of names.
func iifIn(set string) exprs {
	return exprs{meta(expr.MetaKeyIIFNAME), &expr.Lookup{SourceRegister: reg1, SetName: set}}
}

func family(op expr.CmpOp, proto byte) exprs {
	return exprs{meta(expr.MetaKeyNFPROTO), cmp(op, proto)}
}

func ipv4() exprs { return family(expr.CmpOpEq, unix.NFPROTO_IPV4) }

func l4(proto byte) exprs {
	return exprs{meta(expr.MetaKeyL4PROTO), cmp(expr.CmpOpEq, proto)}
}

// The offsets of the addresses in an IPv4 header.
const (
	srcOffset = 12
	dstOffset = 16
)

func network(offset, length, register uint32) expr.Any {
	return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length}
}

// inPrefix matches an IPv4 address at offset. The rule must be for IPv4.
func inPrefix(op expr.CmpOp, offset uint32, p netip.Prefix) exprs {
	p = p.Masked()
	return exprs{
		network(offset, 4, reg1),
		&expr.Bitwise{
			SourceRegister: reg1, DestRegister: reg1, Len: 4,
			Mask: toIPNet(p).Mask, Xor: make([]byte, 4),
		},
		cmp(op, p.Addr().AsSlice()...),
	}
}

// dports matches a destination port of a protocol with ports.
func dports(proto byte, first, last uint16) exprs {
	return all(l4(proto), exprs{
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Range{
			Op: expr.CmpOpEq, Register: reg1,
			FromData: binaryutil.BigEndian.PutUint16(first), ToData: binaryutil.BigEndian.PutUint16(last),
		},
	})
}

// resets matches TCP segments that end a connection (RFC 9293, section 3.1).
func resets() exprs {
	const flags, rst = 13, 1 << 2
	return all(l4(unix.IPPROTO_TCP), exprs{
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseTransportHeader, Offset: flags, Len: 1},
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: 1, Mask: []byte{rst}, Xor: []byte{0}},
		cmp(expr.CmpOpNeq, 0),
	})
}

// ctAny matches when one of the bits of a conntrack key is set.
func ctAny(key expr.CtKey, bits uint32) exprs {
	return exprs{
		&expr.Ct{Key: key, Register: reg1},
		&expr.Bitwise{
			SourceRegister: reg1, DestRegister: reg1, Len: 4,
			Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: make([]byte, 4),
		},
		cmp(expr.CmpOpNeq, 0, 0, 0, 0),
	}
}

// The directions of a tracked connection.
const dirReply = 1

// replies matches packets of the answering side of a connection that some
// rule let through.
func replies() exprs {
	return all(ctAny(expr.CtKeySTATE, expr.CtStateBitESTABLISHED),
		exprs{&expr.Ct{Key: expr.CtKeyDIRECTION, Register: reg1}, cmp(expr.CmpOpEq, dirReply)})
}

// ctStatusDNAT is IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h.
const ctStatusDNAT = 1 << 5

func translated() exprs { return ctAny(expr.CtKeySTATUS, ctStatusDNAT) }

// errorsOf matches ICMP errors about a known connection. Nothing else that
// conntrack calls related is let through: a helper opens ports at the word of
// the application.
func errorsOf() exprs {
	return all(l4(unix.IPPROTO_ICMP), ctAny(expr.CtKeySTATE, expr.CtStateBitRELATED))
}

func verdict(kind expr.VerdictKind) exprs { return exprs{&expr.Verdict{Kind: kind}} }

func accept() exprs { return verdict(expr.VerdictAccept) }
func drop() exprs   { return verdict(expr.VerdictDrop) }

func jump(chain string) exprs {
	return exprs{&expr.Verdict{Kind: expr.VerdictJump, Chain: chain}}
}

func local(source bool) exprs { return addressType(expr.CmpOpEq, source) }

// foreign matches a source that is no address of this namespace.
func foreign() exprs { return addressType(expr.CmpOpNeq, true) }

func addressType(op expr.CmpOp, source bool) exprs {
	return exprs{
		&expr.Fib{Register: reg1, ResultADDRTYPE: true, FlagSADDR: source, FlagDADDR: !source},
		cmp(op, binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)...),
	}
}

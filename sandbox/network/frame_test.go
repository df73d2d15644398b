package network

import (
	"encoding/binary"
	"net"
	"net/netip"
)

// datagram is an Ethernet frame with a UDP datagram, whoever says to be its
// sender.
type datagram struct {
	dstMAC, srcMAC net.HardwareAddr
	src, dst       string // address:port
	// reset makes it a TCP reset instead, that nobody waits for.
	reset bool
}

func (d datagram) frame() []byte {
	src, dst := netip.MustParseAddrPort(d.src), netip.MustParseAddrPort(d.dst)
	payload := []byte("hello\n")
	udp := binary.BigEndian.AppendUint16(nil, src.Port())
	udp = binary.BigEndian.AppendUint16(udp, dst.Port())
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(payload)))
	udp = append(append(udp, 0, 0), payload...) // no checksum
	proto := byte(17)
	if d.reset {
		proto = 6
		udp = binary.BigEndian.AppendUint16(udp[:0], src.Port())
		udp = binary.BigEndian.AppendUint16(udp, dst.Port())
		udp = append(udp, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x04, 0, 0, 0, 0, 0, 0)
	}
	ip := []byte{0x45, 0, 0, byte(20 + len(udp)), 0, 0, 0, 0, 64, proto, 0, 0}
	ip = append(append(ip, src.Addr().AsSlice()...), dst.Addr().AsSlice()...)
	var sum uint32
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	sum = sum&0xffff + sum>>16
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum+sum>>16))
	return append(append(ether(d.dstMAC, d.srcMAC, 0x0800), ip...), udp...)
}

func ether(dst, src net.HardwareAddr, kind uint16) []byte {
	return binary.BigEndian.AppendUint16(append(append([]byte{}, dst...), src...), kind)
}

var broadcastMAC = net.HardwareAddr{255, 255, 255, 255, 255, 255}

// question asks who has an address.
type question struct {
	srcMAC, senderMAC net.HardwareAddr
	sender, target    string
}

func (q question) frame() []byte {
	arp := []byte{0, 1, 8, 0, 6, 4, 0, 1}
	arp = append(append(arp, q.senderMAC...), netip.MustParseAddr(q.sender).AsSlice()...)
	arp = append(append(arp, make([]byte, 6)...), netip.MustParseAddr(q.target).AsSlice()...)
	return append(ether(broadcastMAC, q.srcMAC, 0x0806), arp...)
}

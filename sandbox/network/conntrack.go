package network

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// Parts of linux/netfilter/nfnetlink_conntrack.h and of the kernel's
// nf_internals.h that the library lacks. The kernel filters a listing by them
// since 5.8.
const (
	ctaFilter           = 25
	ctaFilterOrigFlags  = 1
	ctaFilterReplyFlags = 2
	filterSrc           = 1 << 0
	filterDst           = 1 << 1
	filterProto         = 1 << 3
	filterDstPort       = 1 << 5
)

// flowFilter selects connections by their original or answering side.
type flowFilter struct {
	reply bool
	src   netip.Addr // sender
	udp   *spec.Port // or where it was sent to
}

// forgetFlows makes the kernel forget the connections of a sandbox, so that
// clients of a published UDP port are not led to an address where nobody is,
// or somebody else, and nothing stays for the five days of a TCP connection
// whose end was not seen. Each listing goes through the whole table, 9 ms for
// its 262,144 buckets: only those that can have anything are made.
func forgetFlows(rec record) error {
	if noFlows() {
		return nil
	}
	var errs []error
	if len(rec.Network.Egress) > 0 {
		errs = append(errs, deleteFlows(flowFilter{src: rec.Address}))
	}
	if len(rec.Network.Publish) > 0 {
		errs = append(errs, deleteFlows(flowFilter{src: rec.Address, reply: true}))
	}
	return errors.Join(errs...)
}

// flushStale does so before a sandbox comes up, for UDP clients that were
// already sending: their packets belong to a connection without translation.
func flushStale(rec record) error {
	if noFlows() {
		return nil
	}
	for _, p := range rec.Network.Publish {
		if p.Protocol != "udp" {
			continue
		}
		if err := deleteFlows(flowFilter{udp: &p}); err != nil {
			return err
		}
	}
	return nil
}

// noFlows says that the kernel knows no connection at all.
func noFlows() bool {
	n, err := readSysctl("netfilter/nf_conntrack_count")
	return err == nil && n == "0"
}

func deleteFlows(f flowFilter) error {
	flows, err := whole(func() ([][]byte, error) {
		list := ctRequest(nl.IPCTNL_MSG_CT_GET, unix.NLM_F_DUMP)
		for _, a := range f.attributes() {
			list.AddData(a)
		}
		return list.Execute(unix.NETLINK_NETFILTER, 0)
	})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPROTONOSUPPORT) {
		return nil // connection tracking is not there, so there is nothing
	}
	if err != nil {
		return explain(err, "list the connections of the sandbox")
	}
	for _, raw := range flows {
		if err := deleteFlow(raw); err != nil {
			return err
		}
	}
	return nil
}

// deleteFlow deletes one that was listed, by the tuple and id in its message.
func deleteFlow(raw []byte) error {
	if len(raw) < nl.SizeofNfgenmsg {
		return nil
	}
	attrs, err := nl.ParseRouteAttr(raw[nl.SizeofNfgenmsg:])
	if err != nil {
		return nil
	}
	del := ctRequest(nl.IPCTNL_MSG_CT_DELETE, unix.NLM_F_ACK)
	found := false
	for _, a := range attrs {
		switch a.Attr.Type &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER) {
		case nl.CTA_TUPLE_ORIG:
			found = true
			del.AddData(nl.NewRtAttr(int(a.Attr.Type)|unix.NLA_F_NESTED, a.Value))
		case nl.CTA_ID, nl.CTA_ZONE:
			del.AddData(nl.NewRtAttr(int(a.Attr.Type), a.Value))
		}
	}
	if !found {
		return nil
	}
	_, err = del.Execute(unix.NETLINK_NETFILTER, 0)
	if err != nil && !errors.Is(err, unix.ENOENT) { // it ended by itself
		return explain(err, "forget a connection of the sandbox")
	}
	return nil
}

func ctRequest(op, flags int) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_CTNETLINK<<8|op, flags)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_INET, Version: nl.NFNETLINK_V0})
	return req
}

func (f flowFilter) attributes() []nl.NetlinkRequestData {
	side, key := nl.CTA_TUPLE_ORIG, ctaFilterOrigFlags
	if f.reply {
		side, key = nl.CTA_TUPLE_REPLY, ctaFilterReplyFlags
	}
	tuple := nl.NewRtAttr(unix.NLA_F_NESTED|side, nil)
	var flags uint32
	ip := tuple.AddRtAttr(unix.NLA_F_NESTED|nl.CTA_TUPLE_IP, nil)
	if f.src.IsValid() {
		flags |= filterSrc
		ip.AddRtAttr(nl.CTA_IP_V4_SRC, f.src.AsSlice())
	}
	if f.udp != nil {
		flags |= filterProto | filterDstPort
		proto := tuple.AddRtAttr(unix.NLA_F_NESTED|nl.CTA_TUPLE_PROTO, nil)
		proto.AddRtAttr(nl.CTA_PROTO_NUM, []byte{unix.IPPROTO_UDP})
		proto.AddRtAttr(nl.CTA_PROTO_DST_PORT, binary.BigEndian.AppendUint16(nil, f.udp.HostPort))
		if to := hostIP(*f.udp); !to.IsUnspecified() {
			flags |= filterDst
			ip.AddRtAttr(nl.CTA_IP_V4_DST, to.AsSlice())
		}
	}
	filter := nl.NewRtAttr(unix.NLA_F_NESTED|ctaFilter, nil)
	filter.AddRtAttr(key, nl.Uint32Attr(flags))
	return []nl.NetlinkRequestData{tuple, filter}
}

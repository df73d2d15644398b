package network

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// Enclosure is a network namespace that somebody else has connected, out of which
// only what a plan lists gets. The rules are in the namespace itself, where
// whoever has CAP_NET_ADMIN in it could remove them.
type Enclosure struct {
	ns *os.File
	id string // of the rules
}

// Chains of table inet safe-run in an enclosed namespace.
const (
	chainOut     = "out"
	chainOut4    = "out-ipv4"
	chainOut6    = "out-ipv6"
	chainRefused = "refused"

	// enclosedMark and the id of the rules name a chain without rules.
	enclosedMark = "enclosed-"
	// enclosedLayout is counted up with each change of the rules below.
	enclosedLayout = "2"
)

// Enclose lets connections out of the network namespace at a path as n says, and
// no others; answers to those that came in leave. Where the same rules are there
// it does nothing, and where there are others it fails.
func Enclose(path string, n spec.Network) (_ *Enclosure, err error) {
	if count := countRules(n); count > maxRules {
		return nil, problem.New("use fewer and larger prefixes", "egress needs %d rules, more than %d", count, maxRules)
	}
	id, err := idOf(n)
	if err != nil {
		return nil, err
	}
	ns, err := openNetwork(path)
	if err != nil {
		return nil, err
	}
	e := &Enclosure{ns, id}
	if err := e.enclose(n); err != nil {
		ns.Close()
		return nil, err
	}
	return e, nil
}

// Close lets go of the namespace; the rules stay for as long as it does.
func (e *Enclosure) Close() error { return e.ns.Close() }

// getNamespaceType is NS_GET_NSTYPE (ioctl_nsfs(2)).
const getNamespaceType = 0xb703

// idOf names rules by what their profile says. The host's resolvers are not a
// profile's: they change while a pod is there, which keeps those that it began with.
func idOf(n spec.Network) (string, error) {
	n.DNS = nil
	data, err := json.Marshal(n)
	sum := sha256.Sum256(append(data, enclosedLayout...))
	return hex.EncodeToString(sum[:]), err
}

// openNetwork opens a network namespace that is not this process's own.
func openNetwork(path string) (*os.File, error) {
	ns, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, problem.New("look whether the pod's network was removed", "open the network namespace: %w", err)
	}
	kind, err := unix.IoctlRetInt(int(ns.Fd()), getNamespaceType)
	if err != nil || kind != unix.CLONE_NEWNET {
		ns.Close()
		return nil, problem.New("name a network namespace, as in /run/netns", "%s is no network namespace", path)
	}
	own, err := netns.Get()
	if err != nil {
		ns.Close()
		return nil, explain(err, "open the host's network namespace")
	}
	defer own.Close()
	if netns.NsHandle(ns.Fd()).Equal(own) {
		ns.Close()
		return nil, problem.New("in a pod write hostNetwork: false", "%s is the host's network, whose connections are not a container's to judge", path)
	}
	return ns, nil
}

func (e *Enclosure) batch(more ...nftables.ConnOption) (batch, error) {
	return newBatchIn(nil, append(more, nftables.WithNetNSFd(int(e.ns.Fd())))...)
}

func (e *Enclosure) enclose(n spec.Network) error {
	b, err := e.batch()
	if err != nil {
		return err
	}
	chains, err := b.chainsOf(inetTable)
	if err != nil {
		return err
	}
	mark := enclosedMark + e.id[:24]
	if slices.ContainsFunc(chains, func(c *nftables.Chain) bool { return c.Name == mark }) {
		return nil
	}
	if len(chains) > 0 {
		others := slices.ContainsFunc(chains, func(c *nftables.Chain) bool { return strings.HasPrefix(c.Name, enclosedMark) })
		if others {
			return problem.New("give all containers that share a network the same network section: in a pod annotate the pod, not one of its containers; after a change of the profile make the pod again",
				"the network has the rules of another profile already")
		}
		return problem.New("see nft list table inet "+tableName+" in that namespace, and rename or delete it",
			"the packet filter table inet %s exists there and is not of safe-run", tableName)
	}
	b.CreateTable(inetTable) // of two who come at once one fails
	b.chain(inetTable, mark)
	if err := b.enclosing(e.id, n); err != nil {
		return err
	}
	if err := b.Flush(); err != nil {
		return explain(err, "write the packet filter rules of the container's network")
	}
	return nil
}

// enclosing adds all rules of a namespace. What nobody sent on purpose and the
// network cannot do without is let out: answers, errors about them, and the
// questions who has an IPv6 address. Answers leave for wherever a connection came
// from, so that nobody may seem to come in from elsewhere: a packet to oneself with
// another's address (ipv6(7), IPV6_FREEBIND, which needs no capability; ip(7),
// IP_TRANSPARENT), over the loopback device or by a way round through a destination
// that is listed, would open the way there.
func (b batch) enclosing(id string, n spec.Network) error {
	for _, c := range []string{chainReject, chainRefused, chainOut4, chainOut6} {
		b.chain(inetTable, c)
	}
	b.refuse()
	if err := b.countBlocked(id); err != nil {
		return err
	}
	if err := b.countBlocked6(id); err != nil {
		return err
	}
	b.egressRules(chainOut4, n)
	b.egress6Rules(chainOut6, n)

	wake := &expr.Log{Group: wakeGroup, QThreshold: 1, Snaplen: 1, Key: 1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_QTHRESHOLD | 1<<unix.NFTA_LOG_SNAPLEN}
	b.rule(inetTable, chainRefused, "wake", exprs{&expr.Limit{Type: expr.LimitTypePkts, Rate: 1, Unit: expr.LimitTimeSecond, Burst: 1}, wake})
	b.rule(inetTable, chainRefused, "count", all(ipv4(), jump(blockedName(id))))
	b.rule(inetTable, chainRefused, "count", all(ipv6(), jump(blocked6Name(id))))
	b.rule(inetTable, chainRefused, "refuse", jump(chainReject))

	b.base(inetTable, chainOut, hooked{nftables.ChainTypeFilter, nftables.ChainHookOutput, 0})
	// What refuses a connection answers in the name of whom it was for.
	b.rule(inetTable, chainOut, "refusals", all(oif(expr.CmpOpEq, loopbackIfname), resets(), ctAny(expr.CtKeySTATE, expr.CtStateBitRELATED), accept()))
	b.rule(inetTable, chainOut, "loopback-spoofed", all(oif(expr.CmpOpEq, loopbackIfname), foreign(), drop()))
	b.rule(inetTable, chainOut, "loopback", all(oif(expr.CmpOpEq, loopbackIfname), accept()))
	b.rule(inetTable, chainOut, "neighbours", all(ipv6(), icmp6Types(133, 136), accept())) // RFC 4861
	b.rule(inetTable, chainOut, "groups", all(ipv6(), icmp6Types(130, 132), accept()))     // RFC 2710
	b.rule(inetTable, chainOut, "groups", all(ipv6(), icmp6Types(143, 143), accept()))     // RFC 3810
	b.rule(inetTable, chainOut, "spoofed", all(foreign(), drop()))
	b.rule(inetTable, chainOut, "replies", all(replies(), accept()))
	b.rule(inetTable, chainOut, "errors", all(ipv4(), errorsOf(), accept()))
	b.rule(inetTable, chainOut, "errors", all(ipv6(), l4(unix.IPPROTO_ICMPV6), ctAny(expr.CtKeySTATE, expr.CtStateBitRELATED), accept()))
	b.rule(inetTable, chainOut, "ipv4", all(ipv4(), jump(chainOut4)))
	b.rule(inetTable, chainOut, "ipv6", all(ipv6(), jump(chainOut6)))
	b.rule(inetTable, chainOut, "default", jump(chainRefused))
	return nil
}

func ipv6() exprs { return family(expr.CmpOpEq, unix.NFPROTO_IPV6) }

// icmp6Types matches the types of ICMPv6 messages, the first byte of them.
func icmp6Types(first, last byte) exprs {
	return all(l4(unix.IPPROTO_ICMPV6), exprs{
		&expr.Payload{DestRegister: reg1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 1},
		&expr.Range{Op: expr.CmpOpEq, Register: reg1, FromData: []byte{first}, ToData: []byte{last}},
	})
}

// The destination in an IPv6 header (RFC 8200, section 3).
const (
	dst6Offset = 24
	addr6Len   = 16
)

// inPrefix6 matches the destination. The rule must be for IPv6.
func inPrefix6(p netip.Prefix) exprs {
	p = p.Masked()
	return exprs{
		network(dst6Offset, addr6Len, reg1),
		&expr.Bitwise{SourceRegister: reg1, DestRegister: reg1, Len: addr6Len, Mask: toIPNet(p).Mask, Xor: make([]byte, addr6Len)},
		cmp(expr.CmpOpEq, p.Addr().AsSlice()...),
	}
}

// egress6Rules are egressRules for IPv6.
func (b batch) egress6Rules(chain string, n spec.Network) {
	is6 := func(p netip.Prefix) bool { return p.IsValid() && p.Addr().Is6() && !p.Addr().Is4In6() }
	open := false
	for i, e := range n.Egress {
		if !is6(e.Prefix) {
			continue
		}
		open = true
		sub := exceptChain(chain, i)
		b.chain(inetTable, sub)
		for _, x := range e.Except {
			if is6(x) {
				b.rule(inetTable, sub, "except", all(inPrefix6(x), verdict(expr.VerdictReturn)))
			}
		}
		b.allow(sub, nil, e.Ports)
		b.rule(inetTable, chain, "egress", all(inPrefix6(e.Prefix), jump(sub)))
	}
	for _, a := range n.DNS {
		if open && a.Is6() && !a.Is4In6() {
			to := inPrefix6(netip.PrefixFrom(a.WithZone(""), 128))
			b.rule(inetTable, chain, "dns", all(to, dports(unix.IPPROTO_UDP, dnsPort, dnsPort), accept()))
			b.rule(inetTable, chain, "dns", all(to, dports(unix.IPPROTO_TCP, dnsPort, dnsPort), accept()))
		}
	}
}

// wakeGroup is where the kernel says once a second at most that something was
// refused (nfnetlink_log), to who listens in that namespace; the counters say
// what.
const wakeGroup = 5287

// The messages to and from nfnetlink_log (linux/netfilter/nfnetlink_log.h).
const (
	msgConfig   = unix.NFNL_SUBSYS_ULOG<<8 | 1
	attrCmd     = 1
	attrMode    = 2
	cmdBind     = 1
	copyNothing = 0
)

// Watch calls woken, from a goroutine of its own, when something was refused that
// was not a second before, until Close of what it gives. Between calls it costs a
// descriptor.
func (e *Enclosure) Watch(woken func()) (interface{ Close() error }, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: int(e.ns.Fd())})
	if err != nil {
		return nil, explain(err, "open a socket for the packet filter's messages")
	}
	// struct nfgenmsg, then the attributes.
	head := append([]byte{unix.AF_UNSPEC, 0}, binaryutil.BigEndian.PutUint16(wakeGroup)...)
	for _, a := range []netlink.Attribute{
		{Type: attrCmd, Data: []byte{cmdBind}},
		{Type: attrMode, Data: []byte{0, 0, 0, 0, copyNothing, 0}},
	} {
		data, err := netlink.MarshalAttributes([]netlink.Attribute{a})
		if err == nil {
			_, err = conn.Execute(netlink.Message{
				Header: netlink.Header{Type: msgConfig, Flags: netlink.Request | netlink.Acknowledge}, Data: append(slices.Clone(head), data...),
			})
		}
		if err != nil {
			conn.Close()
			return nil, explain(err, "listen to the packet filter's messages")
		}
	}
	go func() {
		for {
			_, err := conn.Receive()
			if err != nil && !errors.Is(err, unix.ENOBUFS) {
				return
			}
			woken()
		}
	}()
	return conn, nil
}

package network

import (
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Chains of table inet safe-run.
const (
	chainRaw     = "raw"
	chainPre     = "before-nat"
	chainNATIn   = "nat-in"
	chainNATOut  = "nat-out"
	chainNATPost = "nat-post"
	chainInput   = "input"
	chainForward = "forward"
	chainOutput  = "output"
	chainToHost  = "to-host"
	chainFromBox = "from-sandbox"
	chainToBox   = "to-sandbox"
	chainReject  = "refuse"
	// chainRefuseBox refuses what comes from a sandbox.
	chainRefuseBox = "refuse-sandbox"
)

const loopbackIfname = "lo"

var (
	loopbackNet = netip.MustParsePrefix("127.0.0.0/8")
	// linkLocalNet has the metadata services of clouds: 169.254.169.254 and
	// its neighbours. Their IPv6 addresses, such as fd00:ec2::254, are closed
	// with all of IPv6.
	linkLocalNet = netip.MustParsePrefix("169.254.0.0/16")
)

// sharedRules are the rules of all sandboxes. Their order is their meaning:
// what is never allowed comes before what a plan may allow.
//
// An accept here ends this table only: a firewall of someone else's that
// drops what is forwarded still drops it (Check tells). A drop here is final.
func (b batch) sharedRules(br bridge) error {
	for _, s := range []*nftables.Set{guardedSet, sandboxMap, publishMap, publishAnyMap, openSet, blockedMap} {
		set := *s // AddSet writes an id into it
		if err := b.AddSet(&set, nil); err != nil {
			return err
		}
	}
	for _, c := range []string{chainReject, chainRefuseBox, chainToHost, chainFromBox, chainToBox} {
		b.chain(inetTable, c)
	}
	b.refuse()
	b.refuseSandbox()
	b.rawRules()
	b.beforeNATRules()
	b.natRules(br)
	b.hostRules()
	b.forwardRules()
	return nil
}

// refuse answers at once, so that a program fails fast: a reset for TCP, as
// the kernel sends no more than one ICMP error a second to the same host
// (icmp_ratelimit), and an ICMP error for the rest.
func (b batch) refuse() {
	b.rule(inetTable, chainReject, "refuse-tcp", all(l4(unix.IPPROTO_TCP),
		exprs{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}))
	b.rule(inetTable, chainReject, "refuse", exprs{&expr.Reject{
		Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}})
}

// rawRules run before connection tracking and translation, where addresses are
// those of the wire.
func (b batch) rawRules() {
	b.base(inetTable, chainRaw, hooked{nftables.ChainTypeFilter, nftables.ChainHookPrerouting, -300})
	// A frame to one of the addresses 01:80:c2:00:00:00-0f is not bridged:
	// it comes in on the port itself, where no other rule would look.
	b.rule(inetTable, chainRaw, "port-itself", all(exprs{meta(expr.MetaKeyIIFNAME)}, ports(expr.CmpOpEq), drop()))
	// route_localnet makes 127.0.0.0/8 an address like any other, cf.
	// CVE-2020-8558, and a port published on it is translated before the
	// kernel would refuse it: what comes over a wire must not have it. (As a
	// source the kernel refuses it itself: accept_local is off.)
	notLo := all(iif(expr.CmpOpNeq, loopbackIfname), ipv4())
	b.rule(inetTable, chainRaw, "loopback", all(notLo, inPrefix(expr.CmpOpEq, dstOffset, loopbackNet), drop()))
}

// beforeNATRules judge by the destination that a sandbox asked for. Someone
// else's rule may translate an address of the host, as docker does for its
// published ports, or that of the metadata service, as agents for clouds do:
// later rules would see the new one.
func (b batch) beforeNATRules() {
	b.base(inetTable, chainPre, hooked{nftables.ChainTypeFilter, nftables.ChainHookPrerouting, -150})
	fromBox := all(iif(expr.CmpOpEq, bridgeName), ipv4())
	b.rule(inetTable, chainPre, "metadata", all(fromBox, inPrefix(expr.CmpOpEq, dstOffset, linkLocalNet), jump(chainRefuseBox)))
	b.rule(inetTable, chainPre, "to-host-before-nat", all(fromBox, local(false), jump(chainToHost)))
}

// natRules translate. Each sandbox adds elements to the maps, no rules.
func (b batch) natRules(br bridge) {
	nat := nftables.ChainTypeNAT
	b.base(inetTable, chainNATIn, hooked{nat, nftables.ChainHookPrerouting, -100})
	b.base(inetTable, chainNATOut, hooked{nat, nftables.ChainHookOutput, -100})
	b.base(inetTable, chainNATPost, hooked{nat, nftables.ChainHookPostrouting, 100})
	// A sandbox does not reach another by way of the host's address.
	notBox := iif(expr.CmpOpNeq, bridgeName)
	b.rule(inetTable, chainNATIn, "publish", all(notBox, ipv4(), publishedOn()))
	b.rule(inetTable, chainNATIn, "publish-any", all(notBox, ipv4(), local(false), publishedAnywhere()))
	b.rule(inetTable, chainNATOut, "publish-local", all(ipv4(), publishedOn()))
	b.rule(inetTable, chainNATOut, "publish-any-local", all(ipv4(), local(false), publishedAnywhere()))
	// The host speaks to a sandbox with its address on the bridge, which is
	// the only one the sandbox surely has a route to.
	b.rule(inetTable, chainNATPost, "masquerade-local", all(
		oif(expr.CmpOpEq, bridgeName), ipv4(), translated(), local(true), exprs{&expr.Masq{}}))
	b.rule(inetTable, chainNATPost, "masquerade-egress", all(
		oif(expr.CmpOpNeq, bridgeName), ipv4(), inPrefix(expr.CmpOpEq, srcOffset, br.subnet), exprs{&expr.Masq{}}))
}

// hostRules keep sandboxes away from the host, whichever of its addresses they
// try, and local users away from ports that are not published.
func (b batch) hostRules() {
	filter := nftables.ChainTypeFilter
	b.base(inetTable, chainInput, hooked{filter, nftables.ChainHookInput, 0})
	b.rule(inetTable, chainInput, "to-host", all(iif(expr.CmpOpEq, bridgeName), jump(chainToHost)))
	b.rule(inetTable, chainToHost, "host-replies", all(replies(), accept()))
	// Of errors, those about published ports: about the host's other
	// connections a sandbox has nothing to say.
	b.rule(inetTable, chainToHost, "host-errors", all(ipv4(), errorsOf(), translated(), accept()))
	b.rule(inetTable, chainToHost, "host-services", jump(chainRefuseBox))

	b.base(inetTable, chainOutput, hooked{filter, nftables.ChainHookOutput, 0})
	toBox := oif(expr.CmpOpEq, bridgeName)
	b.rule(inetTable, chainOutput, "output", all(toBox, jump(chainToBox)))
	// Related are the resets and ICMP errors that the kernel sends, those of
	// refuse among them: they belong to the connection they are about.
	b.rule(inetTable, chainOutput, "output-related", all(toBox,
		ctAny(expr.CtKeySTATE, expr.CtStateBitRELATED), accept()))
	b.rule(inetTable, chainOutput, "unpublished", all(toBox, jump(chainReject)))
}

// forwardRules decide what passes between sandboxes and other hosts.
//
// Only the answering side of a connection is let through for being part of
// one. The asking side is judged anew with each packet, so that a connection
// which the kernel still remembers from an earlier sandbox with the same
// address opens nothing to a later one.
func (b batch) forwardRules() {
	b.base(inetTable, chainForward, hooked{nftables.ChainTypeFilter, nftables.ChainHookForward, 0})
	b.rule(inetTable, chainForward, "from-sandbox", all(iif(expr.CmpOpEq, bridgeName), jump(chainFromBox)))
	b.rule(inetTable, chainForward, "to-sandbox", all(oif(expr.CmpOpEq, bridgeName), jump(chainToBox)))
	// A host of the neighbourhood that routes to a sandbox's address itself.
	b.rule(inetTable, chainForward, "direct-route", all(oif(expr.CmpOpEq, bridgeName), drop()))
	b.rule(inetTable, chainForward, "guard", all(iifIn(guardedSet.Name), drop()))

	refuse := jump(chainRefuseBox)
	b.rule(inetTable, chainFromBox, "no-ipv6", all(family(expr.CmpOpNeq, unix.NFPROTO_IPV4), drop()))
	b.rule(inetTable, chainFromBox, "between-sandboxes", all(oif(expr.CmpOpEq, bridgeName), refuse))
	// What connection tracking makes no sense of passes untranslated, with
	// the sandbox's own address.
	b.rule(inetTable, chainFromBox, "invalid", all(ctAny(expr.CtKeySTATE, expr.CtStateBitINVALID), drop()))
	b.rule(inetTable, chainFromBox, "replies", all(replies(), accept()))
	b.rule(inetTable, chainFromBox, "errors", all(errorsOf(), translated(), accept()))
	b.rule(inetTable, chainFromBox, "egress", exprs{
		network(srcOffset, 4, reg1), &expr.Lookup{SourceRegister: reg1, SetName: sandboxMap.Name, IsDestRegSet: true},
	})
	b.rule(inetTable, chainFromBox, "default", refuse)

	b.rule(inetTable, chainToBox, "to-replies", all(replies(), accept()))
	b.rule(inetTable, chainToBox, "to-errors", all(ipv4(), errorsOf(), accept()))
	b.rule(inetTable, chainToBox, "published", all(ipv4(), translated(), destination(reg32), exprs{
		&expr.Lookup{SourceRegister: reg1, SetName: openSet.Name}}, accept()))
}

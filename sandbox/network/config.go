package network

import (
	"net/netip"
	"strings"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// maxSlot is the last slot that the subnet of a bridge always has room for.
const maxSlot = 4093

// maxRules bounds what one sandbox may put into the kernel.
const maxRules = 4096

func (c Config) check() error {
	if !validID(c.ID) {
		return errID(c.ID)
	}
	if c.Slot < 0 || c.Slot > maxSlot {
		return problem.New("stop a sandbox first", "network slot %d is outside of 0 to %d", c.Slot, maxSlot)
	}
	switch c.Network.Mode {
	case spec.NetworkNone:
		return nil
	case spec.NetworkBridge:
	default:
		return problem.New("the modes are none and bridge", "unknown network mode %q", c.Network.Mode)
	}
	for _, p := range c.Network.Publish {
		if err := checkPort(p); err != nil {
			return err
		}
		if p.HostPort == 0 {
			return problem.New("reserve the ports first", "publish container port %d: no host port is chosen", p.ContainerPort)
		}
	}
	if n := countRules(c.Network); n > maxRules {
		return problem.New("use fewer and larger prefixes", "egress needs %d rules, more than %d", n, maxRules)
	}
	return nil
}

// checkPort refuses what cannot be published; HostPort may be 0.
func checkPort(p spec.Port) error {
	switch {
	case p.Protocol != "tcp" && p.Protocol != "udp":
		return problem.New("write tcp or udp", "publish port %d: unknown protocol %q", p.HostPort, p.Protocol)
	case p.ContainerPort == 0:
		return problem.New("write -p [ip:]host:container", "publish host port %d: no container port", p.HostPort)
	case !hostIP(p).Is4():
		return problem.New("publish on an IPv4 address, such as 127.0.0.1",
			"publish on %s: only IPv4 addresses can be published on", p.HostIP)
	case hostIP(p).IsMulticast():
		return problem.New("publish on an address of the host, such as 127.0.0.1",
			"publish on %s: a multicast address belongs to no host", p.HostIP)
	}
	return nil
}

// hostIP is the address to publish on; 0.0.0.0 stands for every address.
func hostIP(p spec.Port) netip.Addr {
	if !p.HostIP.IsValid() || p.HostIP == netip.IPv6Unspecified() {
		return netip.IPv4Unspecified()
	}
	return p.HostIP.Unmap()
}

// forwards says whether packets must pass between the sandbox and other
// hosts. Only then does the sandbox get a default route and the host a
// forwarding interface: with ports published on loopback alone, or with
// nothing, all traffic is between the sandbox and the host, whose address on
// the bridge is on link.
func forwards(n spec.Network) bool {
	for _, e := range n.Egress {
		if e.Prefix.Addr().Unmap().Is4() {
			return true
		}
	}
	for _, p := range n.Publish {
		if !hostIP(p).IsLoopback() {
			return true
		}
	}
	return false
}

func validID(id string) bool {
	return len(id) == 64 && strings.Trim(id, hexDigits) == ""
}

func errID(id string) error {
	if len(id) > 80 {
		id = id[:80]
	}
	return problem.New("an id has 64 hexadecimal digits", "%q is not the id of a sandbox", id)
}

// linkName is the host's side of a sandbox's interface. 48 bits of the id
// tell sandboxes apart; a clash is an error from the kernel.
func linkName(id string) string { return linkPrefix + id[:12] }

const (
	linkPrefix = "sr"
	hexDigits  = "0123456789abcdef"
)

// chainName is the chain of a sandbox's egress rules.
func chainName(id string) string { return "sandbox-" + id[:12] }

package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// kernelPortStart is net.ipv4.ip_unprivileged_port_start of a new namespace.
const kernelPortStart = 1024

// mostNameservers is MAXNS of the C library.
const mostNameservers = 3

// linkLocal is where the metadata services of clouds answer.
var linkLocal = netip.MustParsePrefix("169.254.0.0/16")

// closed are destinations that no egress rule reaches by being wide: this
// host, the link, multicast, cloud metadata at addresses that look ordinary
// (Azure, Alibaba), and IPv6 that carries any IPv4 address inside: to a NAT64
// gateway (RFC 6052, RFC 8215) and to one of 6to4.
var closed = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.100.100.200/32"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("168.63.129.16/32"),
	linkLocal,
	netip.MustParsePrefix("224.0.0.0/4"),
	netip.MustParsePrefix("255.255.255.255/32"),
	netip.MustParsePrefix("::/127"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("fd00:ec2::254/128"),
	netip.MustParsePrefix("fd20:ce::254/128"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("ff00::/8"),
}

func (c *compiler) mode() NetworkMode {
	return NetworkMode(or(c.in.Profile.Network.Mode, profiles.NetworkNone))
}

// network says how the container is connected: not at all, or by a bridge on
// which only what is listed passes.
func (c *compiler) network() error {
	p, n := c.in.Profile.Network, &c.plan.Network
	n.Mode = c.mode()
	n.UnprivilegedPortStart = int(or(p.UnprivilegedPortStart, kernelPortStart))
	if n.UnprivilegedPortStart != kernelPortStart {
		c.linux.Sysctl = map[string]string{"net.ipv4.ip_unprivileged_port_start": strconv.Itoa(n.UnprivilegedPortStart)}
	}
	d := Decision{
		Setting: "network", Value: "none", Source: c.source("network.mode"),
		Why: "a loopback interface and nothing else",
	}
	if n.Mode == NetworkNone {
		c.decide(d)
		if len(c.in.Request.Publish) > 0 {
			return problem.New("run with --profile web, or write network: {mode: bridge, why: ...} in the profile",
				"port %d cannot be published: profile %s has no network", c.in.Request.Publish[0].ContainerPort, c.plan.Profile)
		}
		return nil
	}
	d.Value, d.Why = "bridge", c.why("network.mode", p.Why)
	d.Weakens = "published ports can be reached, and egress rules let connections out"
	c.decide(d)
	n.Unfiltered = c.lost.has(profiles.WeakNetworkIsolation)
	if err := c.publish(); err != nil {
		return err
	}
	if err := c.egress(); err != nil {
		return err
	}
	c.resolvers()
	return nil
}

func (c *compiler) publish() error {
	n := &c.plan.Network
	seen := map[string]bool{}
	for _, port := range c.in.Request.Publish {
		if !port.HostIP.IsValid() {
			port.HostIP = netip.IPv4Unspecified()
		}
		text := fmt.Sprintf("%s:%d:%d/%s", port.HostIP, port.HostPort, port.ContainerPort, clip(port.Protocol))
		where := fmt.Sprintf("%s:%d/%s", port.HostIP, port.HostPort, clip(port.Protocol))
		switch {
		case !port.HostIP.Is4():
			return problem.New("publish on an IPv4 address, as in -p 127.0.0.1:8080:80", "%s cannot be published: containers have no IPv6 yet", text)
		case port.ContainerPort == 0 || port.Protocol != "tcp" && port.Protocol != "udp":
			return problem.New("write -p [ADDRESS:]PORT:PORT[/udp]", "%s cannot be published", text)
		case port.HostPort != 0 && seen[where]:
			return problem.New("choose another port", "%s is published twice", where)
		case n.Unfiltered:
			return problem.New("run where nf_tables can be used", "%s cannot be published: nf_tables is missing or may not be changed", text)
		}
		seen[where] = true
		n.Publish = append(n.Publish, port)
		d := Decision{Setting: "publish", Value: text, Source: "flag --publish"}
		if port.HostPort == 0 {
			d.Value = fmt.Sprintf("%s:(a free port):%d/%s", port.HostIP, port.ContainerPort, port.Protocol)
			d.Why = "no port of the host was named; safe-run ps shows which one it is"
		}
		c.decide(d)
	}
	return nil
}

func (c *compiler) egress() error {
	n := &c.plan.Network
	for _, rule := range c.in.Profile.Network.Egress {
		spans, err := rule.Spans()
		if err != nil {
			return err
		}
		ports, err := rule.PortRanges()
		if err != nil {
			return err
		}
		var out []PortRange
		for _, r := range ports {
			out = append(out, PortRange{Protocol: r.Protocol, First: r.First, Last: r.Last})
		}
		for _, span := range spans {
			if !span.Prefix.Addr().Is4() {
				if rule.To == profiles.Internet {
					continue // containers have no IPv6 addresses, so there is nothing to allow
				}
				return problem.New("name IPv4 addresses", "egress to %s cannot be had: containers have no IPv6 yet", span.Prefix)
			}
			n.Egress = append(n.Egress, Egress{Prefix: span.Prefix, Except: except(span), Ports: out})
		}
		at := entry("network.egress", rule.String())
		c.decide(Decision{
			Setting: "egress", Value: rule.String(), Source: c.source(at), Why: c.why(at, rule.Why),
			Weakens: "what breaks in can send data there",
		})
	}
	if len(n.Egress) == 0 {
		c.decide(Decision{
			Setting: "egress", Value: "none", Source: c.source("network.egress"), Why: "only answers to published ports leave",
		})
	}
	return nil
}

// except is what stays closed inside a span. A rule that names a closed address
// itself is refused when the profile is read.
func except(span profiles.Span) []netip.Prefix {
	out := slices.Clone(span.Except)
	for _, prefix := range closed {
		inside := span.Prefix.Bits() < prefix.Bits() && span.Prefix.Contains(prefix.Addr())
		covered := slices.ContainsFunc(out, func(e netip.Prefix) bool {
			return e.Bits() <= prefix.Bits() && e.Contains(prefix.Addr())
		})
		if inside && !covered {
			out = append(out, prefix)
		}
	}
	slices.SortFunc(out, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	return out
}

// resolvers tells the container of the host's resolvers, if it may connect to
// anything. Link-local ones are left out: on some clouds the metadata service
// answers there.
func (c *compiler) resolvers() {
	n := &c.plan.Network
	if len(n.Egress) == 0 {
		return
	}
	for _, addr := range c.in.Host.Nameservers {
		ordinary := addr.Is4() && !addr.IsLoopback() && !addr.IsLinkLocalUnicast() && !addr.IsUnspecified()
		if ordinary && !slices.Contains(n.DNS, addr) && len(n.DNS) < mostNameservers {
			n.DNS = append(n.DNS, addr)
		}
	}
	d := Decision{Setting: "dns", Value: "none", Source: fromHost, Why: "the host has no resolver that a container could reach"}
	if len(n.DNS) > 0 {
		var names []string
		content := "# The host's resolvers, the only hosts reachable on port 53 beside the profile's egress.\n"
		for _, addr := range n.DNS {
			names = append(names, addr.String())
			content += "nameserver " + addr.String() + "\n"
		}
		d.Value, d.Why = strings.Join(names, ", "), "the host's resolvers"
		for i := range c.plan.Rootfs.Files {
			if c.plan.Rootfs.Files[i].Path == "/etc/resolv.conf" {
				c.plan.Rootfs.Files[i].Content = content
			}
		}
	}
	c.decide(d)
}

package convert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// seccomp keeps a filter that was written for the container; no filter, and an
// engine's default, become safe-run's default.
func (d *draft) seccomp() {
	p := &d.out.Profile.Seccomp
	f := d.ask.Seccomp
	switch {
	case d.ask.Privileged:
		return
	case d.ask.Unconfined:
		d.tightened("seccomp", "unconfined", "every system call of the kernel was open; here it is the default's list", "safe-run names what is refused; add it with safe-run profile allow")
		return
	case f == nil:
		d.tightened("seccomp", "", "the engine's own filter allows some 350 calls; here it is the default's list", "safe-run names what is refused; add it with safe-run profile allow")
		return
	}
	var allowed, refused []string
	for _, name := range f.Allow {
		if _, never := seccomp.Unfilterable(name); never || !seccomp.IsSyscall(name) {
			refused = append(refused, name)
		} else {
			allowed = append(allowed, name)
		}
	}
	if len(refused) > 0 {
		d.tightened("seccomp", strings.Join(refused, " "), "no filter can look at these, or they are unknown: they fail, and C libraries use the older call", "")
	}
	if len(allowed) == 0 {
		d.missing("seccomp", "", "the filter allows nothing that is known; here it is the default's list", "check the file")
		return
	}
	d.out.Profile.Replace = append(d.out.Profile.Replace, "seccomp.allow")
	for _, name := range cover(allowed) {
		p.Allow = append(p.Allow, profiles.Syscall{Name: name, Why: "allowed by the filter that was converted"})
		if why, dangerous := seccomp.Denied(name); dangerous {
			d.kept("seccomp", name, "it is refused otherwise: "+why, "leave it out and try")
		}
	}
	p.AddressFamilies = []profiles.Family{}
	families := f.Families
	if f.AllFamilies {
		families = []string{"AF_UNIX"}
		if d.connected() {
			families = append(families, "AF_INET", "AF_INET6")
		}
		d.tightened("seccomp", "socket", "sockets of every family could be made; here "+strings.Join(families, ", "), "add others to seccomp.addressFamilies")
	}
	for _, name := range families {
		p.AddressFamilies = append(p.AddressFamilies, profiles.Family{Name: name, Why: "allowed by the filter that was converted"})
	}
	if len(families) > 0 {
		d.out.Profile.Replace = append(d.out.Profile.Replace, "seccomp.addressFamilies")
	}
}

// cover writes calls as the groups that are wholly among them, and what is left.
func cover(allowed []string) []string {
	allowed = slices.Compact(slices.Sorted(slices.Values(allowed)))
	left := map[string]bool{}
	for _, name := range allowed {
		left[name] = true
	}
	var out []string
	for _, group := range seccomp.GroupNames() {
		members := seccomp.Expand([]string{group})
		whole := len(members) > 1 && !slices.ContainsFunc(members, func(name string) bool { return !slices.Contains(allowed, name) })
		if whole && slices.ContainsFunc(members, func(name string) bool { return left[name] }) {
			out = append(out, group)
			for _, name := range members {
				delete(left, name)
			}
		}
	}
	for _, name := range allowed {
		if left[name] {
			out = append(out, name)
		}
	}
	return out
}

func (d *draft) connected() bool { return len(d.ask.Publish) > 0 && d.ask.Network != "none" }

// network connects what publishes a port. Connections to elsewhere are nobody's
// default.
func (d *draft) network() {
	n := &d.out.Profile.Network
	if d.ask.Network == "host" {
		d.tightened("network", "host", "it had the host's own network, with what listens on 127.0.0.1 only; here it has one of its own", "publish its ports with -p")
	}
	if d.ask.PortStart != nil && *d.ask.PortStart >= 0 && *d.ask.PortStart <= 65535 {
		n.UnprivilegedPortStart = d.ask.PortStart
	}
	if !d.connected() {
		n.Mode = new(profiles.NetworkNone)
		if d.ask.Network != "none" {
			d.tightened("network", d.ask.Network, "it could connect to everything: the internet, private networks, cloud metadata; here it has no network",
				"say what it needs: network: {mode: bridge, why: ..., egress: [{to: internet, ports: [443/tcp], why: ...}]} and address families AF_INET, AF_INET6")
		}
		return
	}
	n.Mode, n.Why = new(profiles.NetworkBridge), d.why("publish")
	n.Egress = []profiles.Egress{}
	d.tightened("network", d.ask.Network, "it could connect to everything: the internet, private networks, cloud metadata; here it only answers on its published ports",
		"say what it needs: network.egress: [{to: internet, ports: [443/tcp], why: ...}]")
	if d.ask.Seccomp == nil {
		for _, name := range []string{"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"} {
			d.out.Profile.Seccomp.AddressFamilies = append(d.out.Profile.Seccomp.AddressFamilies, profiles.Family{Name: name, Why: "it serves on published ports"})
		}
	}
	for _, port := range d.ask.Publish {
		d.out.Run = append(d.out.Run, "--publish="+port)
		number, _, _ := strings.Cut(port[strings.LastIndexByte(port, ':')+1:], "/")
		number, _, _ = strings.Cut(number, "-")
		if inside, err := strconv.ParseInt(number, 10, 64); err == nil && inside < 1024 && d.ask.PortStart == nil && (n.UnprivilegedPortStart == nil || inside < *n.UnprivilegedPortStart) {
			n.UnprivilegedPortStart = &inside
		}
		if strings.Count(port, ":") < 2 {
			d.kept("publish", port, "it can be reached from everywhere that the host can", "publish it on one address: -p 127.0.0.1:"+strings.TrimPrefix(port, ":"))
		}
	}
	if s := n.UnprivilegedPortStart; s != nil && *s < 1024 {
		d.kept("port-start", fmt.Sprint(*s), "ports from there on can be bound without a capability; they are those of the container's own network", "")
	}
}

func (d *draft) life() {
	p, a := &d.out.Profile, d.ask
	p.Process.Init, p.Process.StopSignal, p.Process.StopTimeout = a.Init, a.StopSignal, a.StopTimeout
	if s := a.OOMScoreAdj; s != nil {
		if *s < 0 {
			d.tightened("oom-score-adj", fmt.Sprint(*s), "the kernel would rather have ended programs of the host; it is not kept", "")
		} else {
			p.Process.OOMScoreAdj = new(min(*s, 1000))
		}
	}
	p.Health = a.Health
}

// command puts the words of the command line together: flags, image, arguments.
func (d *draft) command() {
	words := append(d.out.Run, d.ask.Flags...)
	args := d.ask.Args
	if len(d.ask.Entrypoint) > 0 {
		words = append(words, "--entrypoint="+d.ask.Entrypoint[0])
		args = slices.Concat(d.ask.Entrypoint[1:], args)
	}
	image := d.ask.Image
	if image == "" {
		image = "IMAGE"
	}
	d.out.Run = append(append(words, "--", image), args...)
}

package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// seccomp renders the profile's allow-list.
func (c *compiler) seccomp() error {
	if c.lost.has(profiles.WeakSeccomp) {
		return nil
	}
	p := c.seccompPolicy()
	filter, err := seccomp.Render(p)
	if err != nil {
		return problem.New("correct seccomp: in the profile", "profile %s: %w", c.plan.Profile, err)
	}
	c.linux.Seccomp = filter
	c.decide(Decision{
		Setting: "seccomp", Value: fmt.Sprintf("%d system calls of %s", len(seccomp.Allowed(p)), p.Arch),
		Source: c.source("seccomp.allow"), Why: "everything else fails, and so do all calls of other architectures",
	})
	for _, call := range c.in.Profile.Seccomp.Allow {
		if danger, dangerous := seccomp.Denied(call.Name); dangerous {
			at := entry("seccomp.allow", call.Name)
			c.decide(Decision{
				Setting: "seccomp", Value: call.Name, Source: c.source(at), Why: c.why(at, call.Why),
				Weakens: call.Name + " is refused otherwise: " + danger,
			})
		}
	}
	c.decide(Decision{
		Setting: "address families", Value: listOr(p.Families, "none"), Source: c.source("seccomp.addressFamilies"),
		Why: "socket(2) makes no others",
	})
	c.reactions()
	return nil
}

// reactions says what follows what the filter refuses.
func (c *compiler) reactions() {
	v := c.in.Profile.Seccomp.OnViolation
	for _, r := range []struct {
		severity event.Severity
		reaction *profiles.Reaction
	}{{event.High, v.High}, {event.Medium, v.Medium}, {event.Low, v.Low}} {
		if r.reaction == nil || *r.reaction == profiles.ReactLog {
			continue
		}
		if c.plan.Reactions == nil {
			c.plan.Reactions = map[event.Severity]string{}
		}
		c.plan.Reactions[r.severity] = string(*r.reaction)
		c.decide(Decision{
			Setting: "violations", Value: string(r.severity) + ": " + string(*r.reaction),
			Source: c.source("seccomp.onViolation." + string(r.severity)), Why: "what tries it is not what the profile is for",
		})
	}
}

func (c *compiler) seccompPolicy() seccomp.Policy {
	p := SeccompPolicy(c.in.Profile, c.in.Host.Arch)
	p.RawSockets, p.Inbound = c.hasCapability("NET_RAW"), c.inbound
	return p
}

// SeccompPolicy is the system call part of a profile, on an architecture
// (a GOARCH).
func SeccompPolicy(profile profiles.Profile, arch string) seccomp.Policy {
	p := seccomp.Policy{
		Arch: arch, Init: or(profile.Process.Init, false),
		RawSockets: slices.ContainsFunc(profile.Process.Capabilities, func(c profiles.Capability) bool { return c.Name == "NET_RAW" }),
	}
	for _, call := range profile.Seccomp.Allow {
		p.Allow = append(p.Allow, call.Name)
	}
	for _, family := range profile.Seccomp.AddressFamilies {
		p.Families = append(p.Families, family.Name)
	}
	return p
}

// allowsSyscall reports whether the profile allows name.
func (c *compiler) allowsSyscall(name string) bool {
	if c.allowed == nil {
		c.allowed = seccomp.Expand(c.seccompPolicy().Allow)
	}
	return slices.Contains(c.allowed, name)
}

func listOr(list []string, none string) string {
	if len(list) == 0 {
		return none
	}
	return strings.Join(list, ", ")
}

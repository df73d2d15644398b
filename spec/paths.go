package spec

import (
	"fmt"
	"slices"
)

// No profile can uncover these.
var (
	// alwaysMasked: the host's memory, other sandboxes' keys.
	alwaysMasked = []string{"/proc/kcore", "/proc/keys"}
	// alwaysReadOnly: kernel settings, the keyboard's emergency commands.
	alwaysReadOnly = []string{"/proc/sys", "/proc/sysrq-trigger"}
)

// paths hides parts of /proc and /sys, or makes them read-only. Non-root users
// could not use most of them in any case: it is a second wall.
func (c *compiler) paths() error {
	p := c.in.Profile.Paths
	c.linux.MaskedPaths = union(p.Masked, alwaysMasked)
	c.linux.ReadonlyPaths = union(p.ReadOnly, alwaysReadOnly)
	if c.in.Host.Cgroup.Version == 1 && c.who.uid == 0 {
		// The hierarchies of version 1 are read-only mounts in a tmpfs that
		// libcontainer leaves writable and unbounded, to root.
		c.linux.ReadonlyPaths = union(c.linux.ReadonlyPaths, []string{"/sys/fs/cgroup"})
	}
	// A path that is hidden needs no second mount to be read-only.
	c.linux.ReadonlyPaths = slices.DeleteFunc(c.linux.ReadonlyPaths, func(at string) bool {
		return slices.Contains(c.linux.MaskedPaths, at)
	})
	c.decide(Decision{
		Setting: "masked paths", Value: fmt.Sprintf("%d", len(c.linux.MaskedPaths)), Source: c.source("paths.masked"),
		Why: "they tell about the host, or about other containers",
	})
	c.decide(Decision{
		Setting: "read-only paths", Value: fmt.Sprintf("%d", len(c.linux.ReadonlyPaths)), Source: c.source("paths.readOnly"),
		Why: "what is written there changes the kernel's behaviour",
	})
	return nil
}

// union is both lists, sorted and unique.
func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

package profiles

import (
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/seccomp"
)

// seccomp refuses what no filter can let through safely.
func (c *checker) seccomp() {
	for _, call := range c.p.Seccomp.Allow {
		if why, never := seccomp.Unfilterable(call.Name); never {
			c.fail(entry("seccomp.allow", call.Name), "remove it: the C library uses the older call, which @base or @process allows",
				"no profile can allow it: %s, and a filter cannot see them", why)
		}
	}
}

// startable refuses a list that no program could be started under. The launcher
// needs execve for itself, so that the filter has it all the same; a list
// without it does not mean what it says.
func (c *checker) startable() {
	allow := c.p.Seccomp.Allow
	if len(allow) > 0 && !slices.Contains(seccomp.Expand(syscallNames(allow)), "execve") {
		c.fail("seccomp.allow", "add @base, which every program needs", "execve is not allowed, so no program could be started")
	}
}

// Doubts are what is allowed in a resolved profile and does nothing: an entry
// that others give already, and allowances that contradict each other, one
// without the other that it needs. Each begins with its place; the profile can
// be used all the same.
func Doubts(p Profile) Errors {
	c := checker{p: p}
	allow := p.Seccomp.Allow
	names := syscallNames(allow)
	all := seccomp.Expand(names)
	for _, call := range allow {
		others := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == call.Name })
		if slices.Equal(seccomp.Expand(others), all) {
			c.fail(entry("seccomp.allow", call.Name), "remove it", "adds nothing: %s", giving(call.Name, others))
		}
	}
	families := p.Seccomp.AddressFamilies
	can := slices.Contains(all, "socket")
	for _, f := range families {
		at := entry("seccomp.addressFamilies", f.Name)
		switch {
		case !can && f.Name != "AF_UNIX": // which default has, whatever is allowed
			c.fail(at, "add @sockets to seccomp.allow, or remove the family", "the family may be named, but socket is not allowed")
		case f.Name == "AF_PACKET" && !hasCapability(p, "NET_RAW"):
			c.fail(at, "add the capability NET_RAW, or remove the family", "the kernel refuses such sockets to one without NET_RAW")
		}
	}
	if can && len(families) == 0 {
		c.fail("seccomp.addressFamilies", "name a family, such as AF_UNIX, or leave @sockets out", "socket is allowed, but no address family is")
	}
	return c.errs
}

// giving names the entries that give what name does.
func giving(name string, others []string) string {
	wanted := seccomp.Expand([]string{name})
	var by []string
	for _, other := range others {
		gives := seccomp.Expand([]string{other})
		if slices.ContainsFunc(wanted, func(call string) bool { return slices.Contains(gives, call) }) {
			by = append(by, other)
		}
	}
	const most = 4
	if len(by) > most {
		by = append(by[:most:most], "and others")
	}
	return "it is in " + strings.Join(by, ", ")
}

func hasCapability(p Profile, name string) bool {
	return slices.ContainsFunc(p.Process.Capabilities, func(c Capability) bool { return c.Name == name })
}

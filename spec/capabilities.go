package spec

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// capabilities fills the five sets with what the profile leaves, which is
// nothing by default.
func (c *compiler) capabilities() error {
	list := c.in.Profile.Process.Capabilities
	// Empty sets, not missing ones: without the object runc keeps its own.
	caps := &specs.LinuxCapabilities{}
	c.oci.Process.Capabilities = caps
	if len(list) == 0 {
		c.decide(Decision{
			Setting: "capabilities", Value: "none", Source: c.source("process.capabilities"),
			Why: "the rights of root are not needed by programs that do not administer a machine",
		})
		return nil
	}
	var names []string
	for _, entry := range list {
		names = append(names, "CAP_"+entry.Name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	// A process that is not root keeps a capability across execve only when it
	// is ambient, which needs it inheritable (capabilities(7)).
	caps.Bounding, caps.Permitted, caps.Effective = names, names, names
	caps.Inheritable, caps.Ambient = names, names
	for _, cap := range list {
		at := entry("process.capabilities", cap.Name)
		c.decide(Decision{
			Setting: "capabilities", Value: cap.Name, Source: c.source(at), Why: c.why(at, cap.Why),
			Weakens: "the container may use " + cap.Name + " on what its own namespaces hold",
		})
	}
	return nil
}

// hasCapability reports whether the profile leaves name, without CAP_.
func (c *compiler) hasCapability(name string) bool {
	return slices.Contains(c.oci.Process.Capabilities.Bounding, "CAP_"+strings.ToUpper(name))
}

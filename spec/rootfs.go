package spec

import (
	"github.com/safe-run/safe-run/profiles"
)

// rootfs decides about the root filesystem: read-only unless the profile says
// otherwise, and then written to memory and forgotten.
func (c *compiler) rootfs() error {
	p, image := c.in.Profile.Rootfs, c.in.Image
	r := &c.plan.Rootfs
	r.Source = image.Rootfs
	r.ReadOnly = or(p.ReadOnly, true)
	r.IDMap = r.Source != "" && !c.lost.has(profiles.WeakIDMappedMounts) && !c.lost.has(profiles.WeakUserNamespace)
	c.oci.Root.Path, c.oci.Root.Readonly = r.Source, r.ReadOnly
	if r.Source == "" {
		c.oci.Root.Path = "rootfs" // an empty directory that the sandbox makes
	}
	d := Decision{
		Setting: "rootfs", Value: "read-only", Source: c.source("rootfs.readOnly"),
		Why: "what breaks in cannot change the program",
	}
	if !r.ReadOnly {
		size := or(p.Size, defaultRootfsSize)
		r.WritableBytes = int64(size)
		d.Value, d.Why = "writable, "+size.String()+" in memory", c.why("rootfs.readOnly", p.Why)
		d.Weakens = "what breaks in can change the program until the container ends"
	}
	c.decide(d)
	c.files()
	return nil
}

// files are the three that every container has of its own. resolv.conf is
// completed by network.
func (c *compiler) files() {
	name := c.oci.Hostname
	c.plan.Rootfs.Files = []File{
		{Path: "/etc/hostname", Content: name + "\n", Mode: 0o644},
		{Path: "/etc/hosts", Mode: 0o644, Content: "127.0.0.1\tlocalhost\n" +
			"::1\tlocalhost ip6-localhost ip6-loopback\n" +
			"127.0.1.1\t" + name + "\n"},
		{Path: "/etc/resolv.conf", Mode: 0o644, Content: "# No resolvers: this container makes no connections.\n"},
	}
}

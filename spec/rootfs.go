package spec

import (
	"slices"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// rootfs decides about the root filesystem: read-only unless the profile says
// otherwise, and then written to memory and forgotten.
func (c *compiler) rootfs() error {
	p, image := c.in.Profile.Rootfs, c.in.Image
	r := &c.plan.Rootfs
	if n := len(image.Layers); n > MaxLayers {
		return problem.New("build the image with fewer layers", "image %s has %d layers, more than %d", image.Reference, n, MaxLayers)
	}
	r.Source, r.Layers = image.Rootfs, slices.Clone(image.Layers)
	r.ReadOnly = or(p.ReadOnly, true)
	tree := r.Source != "" || len(r.Layers) > 0
	r.IDMap = tree && !c.lost.has(profiles.WeakIDMappedMounts) && !c.lost.has(profiles.WeakUserNamespace)
	c.oci.Root.Path, c.oci.Root.Readonly = rootPath(r), r.ReadOnly
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

// rootPath is the image's tree when it is one directory, and otherwise the name
// of the one that the sandbox makes.
func rootPath(r *Rootfs) string {
	switch {
	case r.Source != "":
		return r.Source
	case len(r.Layers) == 1:
		return r.Layers[0]
	}
	return "rootfs"
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

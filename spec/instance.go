package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// shortIDLength is the part of an id that people see.
const shortIDLength = 12

// mostHostname is HOST_NAME_MAX of Linux.
const mostHostname = 64

// instance sets what names this container: hostname, cgroup, annotations.
func (c *compiler) instance() error {
	id := c.in.Instance.ID
	if len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "" {
		return fmt.Errorf("instance id %q is not 64 hexadecimal digits", clip(id))
	}
	ids := c.in.Instance.IDs
	if ids.Count != IDsPerContainer || ids.First < IDsPerContainer || uint64(ids.First)+uint64(ids.Count) > 1<<32-1 {
		return fmt.Errorf("id range %d+%d is not a container's", ids.First, ids.Count)
	}
	if err := c.hostname(); err != nil {
		return err
	}
	if err := c.labels(); err != nil {
		return err
	}
	return c.cgroupsPath()
}

func (c *compiler) shortID() string { return c.in.Instance.ID[:shortIDLength] }

func (c *compiler) hostname() error {
	name := c.in.Request.Hostname
	d := Decision{Setting: "hostname", Value: name, Source: "flag --hostname"}
	if name == "" {
		name = c.shortID()
		d = Decision{Setting: "hostname", Value: name, Source: fromSafeRun, Why: "the first 12 digits of the container's id"}
	}
	// The name is written into /etc/hosts, so it may hold nothing but a name.
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."
	if len(name) > mostHostname || strings.Trim(name, letters) != "" || strings.Trim(name[:1], "-.") == "" {
		return problem.New("use letters, digits, '-' and '.', at most 64", "%q cannot be a hostname", clip(name))
	}
	c.oci.Hostname = name
	c.decide(d)
	return nil
}

// labels become annotations. Some prefixes are orders to runtimes: systemd
// properties could undo the limits of the plan (runc's docs/systemd.md).
func (c *compiler) labels() error {
	for name, value := range c.in.Request.Labels {
		for _, prefix := range []string{"org.systemd.property.", "run.oci.", "io.kubernetes.", ownAnnotation} {
			if strings.HasPrefix(name, prefix) {
				return problem.New("choose another name", "label %q is reserved: runtimes act on %s*", clip(name), prefix)
			}
		}
		if name == "" || strings.ContainsRune(name+value, 0) {
			return problem.New("write --label NAME=VALUE", "label %q cannot be used", clip(name))
		}
		if c.oci.Annotations == nil {
			c.oci.Annotations = map[string]string{}
		}
		c.oci.Annotations[name] = value
	}
	return nil
}

func (c *compiler) cgroupsPath() error {
	parent := c.in.Request.CgroupParent
	if c.in.Host.Cgroup.Driver == "systemd" {
		if parent == "" {
			parent = "system.slice"
		}
		if !strings.HasSuffix(parent, ".slice") || strings.ContainsAny(parent, "/:\x00") {
			return problem.New("name a slice, as in --cgroup-parent machine.slice", "%q is not a systemd slice", clip(parent))
		}
		c.linux.CgroupsPath = parent + ":safe-run:" + c.shortID()
		return nil
	}
	if parent != "" && (!strings.HasPrefix(parent, "/") || slices.Contains(strings.Split(parent, "/"), "..") || strings.ContainsRune(parent, 0)) {
		return problem.New("write a path below the cgroup root, as in --cgroup-parent /batch", "%q is not a cgroup path", clip(parent))
	}
	c.linux.CgroupsPath = strings.TrimRight(parent, "/") + "/safe-run-" + c.shortID()
	return nil
}

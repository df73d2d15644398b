package spec

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
)

// namespaces gives the container one of each kind that isolates something. A
// time namespace would isolate nothing: clocks cannot be set without
// capabilities anyway.
func (c *compiler) namespaces() error {
	kinds := []specs.LinuxNamespaceType{
		specs.PIDNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.MountNamespace,
		specs.NetworkNamespace, specs.CgroupNamespace,
	}
	value := "pid, ipc, uts, mount, network, cgroup"
	if !c.lost.has(profiles.WeakUserNamespace) {
		kinds = append([]specs.LinuxNamespaceType{specs.UserNamespace}, kinds...)
		value = "user, " + value
		ids := c.in.Instance.IDs
		mapping := []specs.LinuxIDMapping{{ContainerID: 0, HostID: ids.First, Size: ids.Count}}
		c.linux.UIDMappings, c.linux.GIDMappings = mapping, mapping
		c.decide(Decision{
			Setting: "ids", Value: fmt.Sprintf("0-%d are %d-%d on the host", ids.Count-1, ids.First, ids.First+ids.Count-1),
			Source: fromSafeRun, Why: "no id inside is an id of a user or of another container outside",
		})
	}
	for _, kind := range kinds {
		c.linux.Namespaces = append(c.linux.Namespaces, specs.LinuxNamespace{Type: kind})
	}
	// No mount made on the host later appears inside, and none made inside outside.
	c.linux.RootfsPropagation = "rprivate"
	c.decide(Decision{
		Setting: "namespaces", Value: value, Source: fromSafeRun,
		Why: "the container sees its own processes, mounts, network and names only",
	})
	return nil
}

// hostID is the id on the host of an id inside.
func (c *compiler) hostID(id uint32) uint32 {
	if c.lost.has(profiles.WeakUserNamespace) {
		return id
	}
	return c.in.Instance.IDs.First + id
}

package sandbox

import (
	"os"

	"github.com/safe-run/safe-run/sandbox/rootfs"
	"github.com/safe-run/safe-run/sandbox/runc"
)

// groups are the container's control groups, which are made beside other work.
type groups struct {
	path  string
	ready chan struct{}
	made  []runc.Group
	moved bool // init is to be moved into them
	err   error
}

// startGroups begins to make them, where libcontainer's way to show them to the
// container can be spared (rootfs.GroupsAhead). The record has their path by then.
func (c *Cmd) startGroups() {
	if c.Driver == "systemd" || c.Kernel || !ownUsers(c.Plan.OCI) {
		runc.Prime() // init will be moved
	}
	if c.Driver == "systemd" || !ownUsers(c.Plan.OCI) {
		return
	}
	g := &groups{path: c.Plan.OCI.Linux.CgroupsPath, ready: make(chan struct{})}
	c.groups = g
	go func() {
		defer close(g.ready)
		if g.moved = !runc.MayBeBorn(g.path); g.moved {
			runc.Prime()
		}
		g.made, g.err = runc.MakeGroups(g.path)
	}()
}

// groupsAhead lets the container have the control groups that there are.
func (c *Cmd) groupsAhead(cfg *runc.Config, dir string) error {
	if c.groups == nil {
		return nil
	}
	<-c.groups.ready
	if c.groups.err != nil || len(c.groups.made) == 0 {
		return c.groups.err
	}
	oci, ahead := rootfs.GroupsAhead(cfg.OCI, dir)
	if !ahead {
		return nil
	}
	cfg.OCI = oci
	cfg.Before = func() error {
		at := make(map[string]string, len(c.groups.made))
		for _, g := range c.groups.made {
			if err := os.MkdirAll(g.Path, 0o755); err != nil {
				return err
			}
			at[g.Name] = g.Path
		}
		return rootfs.ShowGroups(dir, at)
	}
	if !c.Kernel && !c.groups.moved { // which looks for the container in the unified hierarchy
		cfg.Groups = c.groups.made
	}
	return nil
}

// removeGroups removes those of a container that was never made, and is called
// again without harm.
func (c *Cmd) removeGroups() error {
	if c.groups == nil || c.container != nil {
		return nil
	}
	<-c.groups.ready
	return runc.Remove(c.groups.path, false)
}

package profiles

import (
	"math"
	"path"
	"slices"
	"strings"
)

// The least that makes sense. Below 6 MiB of memory the container's first
// process does not get through its own start (docker draws the same line).
const (
	leastMemory   Bytes    = 6 << 20
	leastCPU      MilliCPU = 10
	mostID                 = 65535 // a container has 65,536 ids
	mostPids               = 4 << 20
	mostPath               = 4096 // PATH_MAX
	mostNameBytes          = 64
)

// header checks the name and what the document says of itself.
func (c *checker) header() {
	name := c.p.Metadata.Name
	if name != "" && !isName(name) {
		c.fail("metadata.name", nameHint, "%q cannot be a name", clip(name))
	}
	for _, list := range c.p.Replace {
		if nameKnown("list-path", list) && !slices.Contains(setLists(c.p), list) {
			c.fail(entry("replace", list), "write the list, or remove it from replace", "this profile does not set %s", list)
		}
	}
	if c.p.Extends != nil && len(c.p.Extends) == 0 {
		c.fail("extends", "remove the key, or name a profile", "the list is empty")
	}
}

func (c *checker) process() {
	p := c.p.Process
	c.within("process.runAsUser", p.RunAsUser, 0, mostID)
	c.within("process.runAsGroup", p.RunAsGroup, 0, mostID)
	c.within("process.oomScoreAdj", p.OOMScoreAdj, 0, 1000)
	for _, r := range p.Rlimits {
		at := entry("process.rlimits", r.Name)
		c.within(at+".soft", r.Soft, 0, math.MaxInt64)
		c.within(at+".hard", r.Hard, 0, math.MaxInt64)
	}
	if p.UserFrom != nil {
		c.known("process.userFrom", "user source", string(*p.UserFrom), userFroms)
	}
	if p.StopSignal != nil {
		if name, err := ParseSignal(string(*p.StopSignal)); err != nil || name != *p.StopSignal {
			c.fail("process.stopSignal", "write a name such as SIGTERM", "%q is not the name of a signal", clip(string(*p.StopSignal)))
		}
	}
	atLeast(c, "process.stopTimeout", p.StopTimeout, 0)
}

// known checks a value of a short list; Decode has done so already, but values
// also come from flags and programs.
func (c *checker) known(at, what, value string, list []string) {
	if !slices.Contains(list, value) {
		c.fail(at, "write one of: "+strings.Join(list, ", "), "%q is not a %s", clip(value), what)
	}
}

// reactions checks what follows a refused call.
func (c *checker) reactions() {
	v := c.p.Seccomp.OnViolation
	for at, r := range map[string]*Reaction{"high": v.High, "medium": v.Medium, "low": v.Low} {
		if r != nil {
			c.known("seccomp.onViolation."+at, "reaction", string(*r), reactions)
		}
	}
}

func (c *checker) mounts() {
	for _, t := range c.p.Mounts.Tmpfs {
		at := entry("mounts.tmpfs", t.Path)
		c.path(at, t.Path)
		c.overKernel(at, t.Path)
		// To the kernel, size=0 and nr_inodes=0 mean no limit (tmpfs(5)).
		atLeast(c, at+".size", t.Size, 4096)
		c.within(at+".inodes", t.Inodes, 1, math.MaxUint32)
		if t.Mode != nil && *t.Mode > 0o7777 {
			c.fail(at+".mode", "write at most 07777", "%s is not a file mode", t.Mode)
		}
	}
	for _, h := range c.p.Mounts.HostPaths {
		at := entry("mounts.hostPaths", h.Path)
		if h.Path != "/" {
			c.path(at, h.Path)
		}
	}
	atLeast(c, "rootfs.size", c.p.Rootfs.Size, 4096)
}

// overKernel refuses a tmpfs over what the kernel shows of itself, and over
// the devices. A tmpfs over /proc would hide what the masks hide, and nothing
// in the container would work.
func (c *checker) overKernel(at, p string) {
	for _, kernel := range []string{"/proc", "/sys", "/dev"} {
		if p != "/dev/shm" && (p == kernel || strings.HasPrefix(p, kernel+"/")) {
			c.fail(at, "choose another place; below /dev only /dev/shm can be a tmpfs", "a tmpfs cannot lie over %s", kernel)
		}
	}
}

func (c *checker) paths() {
	for _, p := range c.p.Paths.Masked {
		c.path(entry("paths.masked", p), p)
	}
	for _, p := range c.p.Paths.ReadOnly {
		c.path(entry("paths.readOnly", p), p)
	}
}

// path checks a path inside the container or on the host.
func (c *checker) path(at, p string) {
	switch {
	case !strings.HasPrefix(p, "/"):
		c.fail(at, "write the path from /", "the path is not absolute")
	case path.Clean(p) != p:
		c.fail(at, "write "+path.Clean(p), "the path is not in its shortest form")
	case p == "/":
		c.fail(at, "name a directory below /; for the root filesystem see rootfs", "the path is the whole root filesystem")
	case len(p) >= mostPath:
		c.fail(at, "shorten it", "the path is longer than %d bytes", mostPath-1)
	case strings.ContainsRune(p, 0):
		c.fail(at, "remove it", "the path holds a zero byte")
	}
}

func (c *checker) resources() {
	r := c.p.Resources
	atLeast(c, "resources.memory", r.Memory, leastMemory)
	atLeast(c, "resources.swap", r.Swap, 0)
	atLeast(c, "resources.cpus", r.CPUs, leastCPU)
	c.within("resources.pids", r.Pids, 1, mostPids)
}

func (c *checker) network() {
	n := c.p.Network
	if n.Mode != nil {
		c.known("network.mode", "network mode", string(*n.Mode), networkModes)
	}
	c.within("network.unprivilegedPortStart", n.UnprivilegedPortStart, 0, 65535)
	for _, e := range n.Egress {
		c.egress(entry("network.egress", e.String()), e)
	}
}

func (c *checker) egress(at string, e Egress) {
	if _, err := e.Spans(); err != nil {
		c.wrap(at, err)
	}
	if neverReachable(e.To) {
		c.fail(at, "remove the rule", "%s is never reachable from a container", e.To)
	}
	if e.Ports != nil && len(e.Ports) == 0 {
		c.fail(at, "remove ports to allow every port, or name some", "the list of ports is empty")
	}
	if len(e.Ports) > maxEgress {
		c.fail(at, "write ranges: 8000-8100/tcp", "more than %d ports", maxEgress)
	}
	if _, err := e.PortRanges(); err != nil {
		c.wrap(at, err)
	}
}

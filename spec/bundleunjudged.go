package spec

import (
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// unjudged finds what a process asks of the host's schedulers, of which no
// profile says anything: a real time policy or the highest priority starves the
// host (sched(7), ioprio_set(2)), and an affinity of execs holds until they are in
// the container's group.
func (m *meeter) unjudged() error {
	p := m.oci.Process
	for _, ask := range []struct {
		field string
		set   bool
		clear func()
	}{
		{"scheduler", p.Scheduler != nil, func() { p.Scheduler = nil }},
		{"ioPriority", p.IOPriority != nil, func() { p.IOPriority = nil }},
		{"execCPUAffinity", p.ExecCPUAffinity != nil, func() { p.ExecCPUAffinity = nil }},
	} {
		if !ask.set {
			continue
		}
		err := m.conflict(Decision{
			Setting: "process." + ask.field, Value: "left out", Source: fromSafeRun, Why: "it takes time from the host's own programs, and it is in no profile",
		}, ask.clear)
		if err != nil {
			return err
		}
	}
	return nil
}

// overriding are settings of cgroup version 2 that say again, in another way,
// what the limits say.
var overriding = map[string]bool{
	"memory.max": true, "memory.swap.max": true, "cpu.max": true, "cpu.max.burst": true, "pids.max": true, "memory.oom.group": true,
}

// unifiedRefused says whether a setting of cgroup version 2 is left out, and why.
func unifiedRefused(key string) (why string, refused bool) {
	switch {
	case overriding[key]:
		return "it would take the place of the profile's limit", true
	case strings.HasPrefix(key, "cgroup."):
		// cgroup.procs moves any process of the host, cgroup.type and
		// cgroup.subtree_control take limits away (cgroup-v2.rst, Core Interface Files).
		return "it is the runtime's own, and changes the control group itself", true
	}
	return "", false
}

const whyBeyondQuota = "it gives processor time beside the quota"

// beyond is a field of the processor's limits that the quota does not bound.
type beyond struct {
	field string
	clear func()
}

// beyondQuota are those that are set; 0 asks for nothing.
func beyondQuota(c *specs.LinuxCPU) []beyond {
	if c == nil {
		return nil
	}
	var out []beyond
	if c.Burst != nil && *c.Burst > 0 {
		out = append(out, beyond{"burst", func() { c.Burst = nil }})
	}
	if c.RealtimeRuntime != nil && *c.RealtimeRuntime != 0 {
		out = append(out, beyond{"realtimeRuntime", func() { c.RealtimeRuntime = nil }})
	}
	if c.RealtimePeriod != nil && *c.RealtimePeriod > 0 {
		out = append(out, beyond{"realtimePeriod", func() { c.RealtimePeriod = nil }})
	}
	return out
}

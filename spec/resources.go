package spec

import (
	"fmt"
	"math"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// cpuPeriod is the time over which processor use is counted, in microseconds.
const cpuPeriod = 100000

// mostCPUs bounds --cpus, far above any machine.
const mostCPUs = profiles.MilliCPU(1000 * 8192)

// resources bounds the container as a whole, by control groups.
func (c *compiler) resources() error {
	for _, step := range []func() error{c.memory, c.cpu, c.pids} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (c *compiler) memory() error {
	if c.lost.has(profiles.WeakMemoryLimit) {
		return nil
	}
	r := c.in.Profile.Resources
	memory, swap := or(r.Memory, defaultMemory), or(r.Swap, 0)
	if int64(memory) > math.MaxInt64-int64(swap) {
		return problem.New("choose smaller limits", "memory and swap together are more than a number can hold")
	}
	limit := int64(memory)
	c.linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit}
	c.plan.Limits.MemoryBytes = limit
	c.decide(Decision{Setting: "memory", Value: memory.String(), Source: c.source("resources.memory")})
	if c.in.Host.Cgroup.SwapLimit && !c.lost.has(profiles.WeakSwapLimit) {
		both := limit + int64(swap) // OCI counts memory and swap together
		c.linux.Resources.Memory.Swap = &both
		c.decide(Decision{Setting: "swap", Value: swap.String(), Source: c.source("resources.swap")})
	} else if c.in.Host.SwapTotal == 0 {
		c.decide(Decision{Setting: "swap", Value: "none", Source: fromHost, Why: "the host has no swap"})
	}
	c.plan.Limits.OOMGroup = true
	if c.in.Host.Cgroup.Version == 2 {
		// memory.oom.group; version 1 has nothing like it, there the sandbox does it.
		c.linux.Resources.Unified = map[string]string{"memory.oom.group": "1"}
	}
	c.decide(Decision{
		Setting: "out of memory", Value: "kills the whole container", Source: fromSafeRun,
		Why: "a container that is half alive is harder to notice than one that is gone",
	})
	return nil
}

func (c *compiler) cpu() error {
	if c.lost.has(profiles.WeakCPULimit) {
		return nil
	}
	cpus := or(c.in.Profile.Resources.CPUs, defaultCPUs)
	if cpus > mostCPUs {
		return problem.New("choose fewer", "%s processors are more than there are in any machine", cpus)
	}
	quota, period := int64(cpus)*cpuPeriod/1000, uint64(cpuPeriod)
	c.linux.Resources.CPU = &specs.LinuxCPU{Quota: &quota, Period: &period}
	c.decide(Decision{Setting: "cpus", Value: cpus.String(), Source: c.source("resources.cpus")})
	return nil
}

func (c *compiler) pids() error {
	if c.lost.has(profiles.WeakPidsLimit) {
		return nil
	}
	limit := or(c.in.Profile.Resources.Pids, defaultPids)
	c.linux.Resources.Pids = &specs.LinuxPids{Limit: &limit}
	c.plan.Limits.Pids = limit
	c.decide(Decision{
		Setting: "pids", Value: fmt.Sprint(limit), Source: c.source("resources.pids"), Why: "processes and threads together",
	})
	return nil
}

package runc

import (
	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runc/libcontainer/intelrdt"
	"github.com/opencontainers/runc/types"
)

// BundleEvent is one line of what runc's events tells.
type BundleEvent = types.Event

// Stats is what the container has used, in the form of runc's events.
func (b *Bundle) Stats() (*types.Stats, error) {
	counted, err := b.container.Stats()
	if err != nil || counted.CgroupStats == nil {
		return nil, err
	}
	out := fromCgroup(counted.CgroupStats)
	out.NetworkInterfaces = counted.Interfaces
	if counted.IntelRdtStats != nil {
		out.IntelRdt = rdtStats(counted.IntelRdtStats)
	}
	return out, nil
}

// OOMKills is how often the kernel has killed a process of the container because
// its memory ran out.
func (b *Bundle) OOMKills() (uint64, error) {
	group, err := b.group()
	if err != nil {
		return 0, err
	}
	return group.OOMKillCount()
}

// Usage reads the counters of what limits refused; it must be called before
// Destroy.
func (b *Bundle) Usage() Usage {
	group, err := b.group()
	if err != nil {
		return Usage{}
	}
	return usageIn(group.Path("memory"), group.Path("pids"))
}

func fromCgroup(c *cgroups.Stats) *types.Stats {
	cpu, memory, io := c.CpuStats, c.MemoryStats, c.BlkioStats
	out := &types.Stats{
		CPU: types.Cpu{
			Usage: types.CpuUsage{
				Total: cpu.CpuUsage.TotalUsage, Percpu: cpu.CpuUsage.PercpuUsage,
				PercpuKernel: cpu.CpuUsage.PercpuUsageInKernelmode, PercpuUser: cpu.CpuUsage.PercpuUsageInUsermode,
				Kernel: cpu.CpuUsage.UsageInKernelmode, User: cpu.CpuUsage.UsageInUsermode,
			},
			Throttling: types.Throttling(cpu.ThrottlingData),
			PSI:        cpu.PSI,
		},
		CPUSet: types.CPUSet(c.CPUSetStats),
		Memory: types.Memory{
			Cache: memory.Cache, Raw: memory.Stats, PSI: memory.PSI,
			Usage: memoryEntry(memory.Usage), Swap: memoryEntry(memory.SwapUsage),
			Kernel: memoryEntry(memory.KernelUsage), KernelTCP: memoryEntry(memory.KernelTCPUsage),
		},
		Pids: types.Pids{Current: c.PidsStats.Current, Limit: c.PidsStats.Limit},
		Blkio: types.Blkio{
			IoServiceBytesRecursive: ioEntries(io.IoServiceBytesRecursive), IoServicedRecursive: ioEntries(io.IoServicedRecursive),
			IoQueuedRecursive: ioEntries(io.IoQueuedRecursive), IoServiceTimeRecursive: ioEntries(io.IoServiceTimeRecursive),
			IoWaitTimeRecursive: ioEntries(io.IoWaitTimeRecursive), IoMergedRecursive: ioEntries(io.IoMergedRecursive),
			IoTimeRecursive: ioEntries(io.IoTimeRecursive), SectorsRecursive: ioEntries(io.SectorsRecursive),
			PSI: io.PSI,
		},
		Hugetlb: map[string]types.Hugetlb{},
	}
	for size, h := range c.HugetlbStats {
		out.Hugetlb[size] = types.Hugetlb{Usage: h.Usage, Max: h.MaxUsage, Failcnt: h.Failcnt}
	}
	return out
}

func memoryEntry(m cgroups.MemoryData) types.MemoryEntry {
	return types.MemoryEntry{Limit: m.Limit, Usage: m.Usage, Max: m.MaxUsage, Failcnt: m.Failcnt}
}

func ioEntries(entries []cgroups.BlkioStatEntry) []types.BlkioEntry {
	out := []types.BlkioEntry{}
	for _, e := range entries {
		out = append(out, types.BlkioEntry(e))
	}
	return out
}

// rdtStats tells what the processor can and does share out (resctrl).
func rdtStats(r *intelrdt.Stats) types.IntelRdt {
	out := types.IntelRdt{Schemata: r.Schemata}
	if intelrdt.IsCATEnabled() && r.L3CacheInfo != nil {
		out.L3CacheInfo = new(types.L3CacheInfo(*r.L3CacheInfo))
		out.L3CacheSchemaRoot, out.L3CacheSchema = r.L3CacheSchemaRoot, r.L3CacheSchema
	}
	if intelrdt.IsMBAEnabled() && r.MemBwInfo != nil {
		out.MemBwInfo = new(types.MemBwInfo(*r.MemBwInfo))
		out.MemBwSchemaRoot, out.MemBwSchema = r.MemBwSchemaRoot, r.MemBwSchema
	}
	if intelrdt.IsMBMEnabled() {
		out.MBMStats = r.MBMStats
	}
	if intelrdt.IsCMTEnabled() {
		out.CMTStats = r.CMTStats
	}
	return out
}

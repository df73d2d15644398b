package shim

import (
	"context"

	stats1 "github.com/containerd/cgroups/v3/cgroup1/stats"
	stats2 "github.com/containerd/cgroups/v3/cgroup2/stats"
	taskapi "github.com/containerd/containerd/api/runtime/task/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/safe-run/safe-run/sandbox/runc"
)

// Stats tells what a container uses, in the form of the cgroup version that it
// is counted by.
func (s *Service) Stats(_ context.Context, r *taskapi.StatsRequest) (*taskapi.StatsResponse, error) {
	t, err := s.find(r.ID)
	if err != nil {
		return nil, err
	}
	counted, err := t.container.Stats()
	if err != nil {
		return nil, answer(err)
	}
	if counted == nil {
		return nil, notFound("cgroup does not exist")
	}
	var message proto.Message = metrics1(counted)
	if runc.Unified() {
		message = metrics2(counted)
	}
	packed, err := anypb.New(message)
	if err != nil {
		return nil, err
	}
	packed.TypeUrl = string(message.ProtoReflect().Descriptor().FullName())
	return &taskapi.StatsResponse{Stats: packed}, nil
}

func metrics1(c *runc.Counted) *stats1.Metrics {
	out := &stats1.Metrics{
		Pids: &stats1.PidsStat{Current: c.Pids.Current, Limit: c.Pids.Limit},
		CPU: &stats1.CPUStat{
			Usage: &stats1.CPUUsage{
				Total: c.CPU.Usage.Total, Kernel: c.CPU.Usage.Kernel, User: c.CPU.Usage.User, PerCPU: c.CPU.Usage.Percpu,
			},
			Throttling: &stats1.Throttle{
				Periods: c.CPU.Throttling.Periods, ThrottledPeriods: c.CPU.Throttling.ThrottledPeriods,
				ThrottledTime: c.CPU.Throttling.ThrottledTime,
			},
		},
		Memory: memory1(&c.Memory),
		Blkio: &stats1.BlkIOStat{
			IoServiceBytesRecursive: blocks1(c.Blkio.IoServiceBytesRecursive), IoServicedRecursive: blocks1(c.Blkio.IoServicedRecursive),
			IoQueuedRecursive: blocks1(c.Blkio.IoQueuedRecursive), IoServiceTimeRecursive: blocks1(c.Blkio.IoServiceTimeRecursive),
			IoWaitTimeRecursive: blocks1(c.Blkio.IoWaitTimeRecursive), IoMergedRecursive: blocks1(c.Blkio.IoMergedRecursive),
			IoTimeRecursive: blocks1(c.Blkio.IoTimeRecursive), SectorsRecursive: blocks1(c.Blkio.SectorsRecursive),
		},
	}
	for size, h := range c.Hugetlb {
		out.Hugetlb = append(out.Hugetlb, &stats1.HugetlbStat{Pagesize: size, Usage: h.Usage, Max: h.Max, Failcnt: h.Failcnt})
	}
	return out
}

func memory1(m *runc.CountedMemory) *stats1.MemoryStat {
	entry := func(e runc.CountedEntry) *stats1.MemoryEntry {
		return &stats1.MemoryEntry{Limit: e.Limit, Usage: e.Usage, Max: e.Max, Failcnt: e.Failcnt}
	}
	raw := m.Raw
	return &stats1.MemoryStat{
		Usage: entry(m.Usage), Swap: entry(m.Swap), Kernel: entry(m.Kernel), KernelTCP: entry(m.KernelTCP),
		Cache: raw["cache"], RSS: raw["rss"], RSSHuge: raw["rss_huge"], MappedFile: raw["mapped_file"],
		Dirty: raw["dirty"], Writeback: raw["writeback"],
		PgPgIn: raw["pgpgin"], PgPgOut: raw["pgpgout"], PgFault: raw["pgfault"], PgMajFault: raw["pgmajfault"],
		InactiveAnon: raw["inactive_anon"], ActiveAnon: raw["active_anon"],
		InactiveFile: raw["inactive_file"], ActiveFile: raw["active_file"], Unevictable: raw["unevictable"],
		HierarchicalMemoryLimit: raw["hierarchical_memory_limit"], HierarchicalSwapLimit: raw["hierarchical_memsw_limit"],
		TotalCache: raw["total_cache"], TotalRSS: raw["total_rss"], TotalRSSHuge: raw["total_rss_huge"],
		TotalMappedFile: raw["total_mapped_file"], TotalDirty: raw["total_dirty"], TotalWriteback: raw["total_writeback"],
		TotalPgPgIn: raw["total_pgpgin"], TotalPgPgOut: raw["total_pgpgout"],
		TotalPgFault: raw["total_pgfault"], TotalPgMajFault: raw["total_pgmajfault"],
		TotalInactiveAnon: raw["total_inactive_anon"], TotalActiveAnon: raw["total_active_anon"],
		TotalInactiveFile: raw["total_inactive_file"], TotalActiveFile: raw["total_active_file"],
		TotalUnevictable: raw["total_unevictable"],
	}
}

func blocks1(entries []runc.CountedBlocks) []*stats1.BlkIOEntry {
	var out []*stats1.BlkIOEntry
	for _, e := range entries {
		out = append(out, &stats1.BlkIOEntry{Op: e.Op, Major: e.Major, Minor: e.Minor, Value: e.Value})
	}
	return out
}

func metrics2(c *runc.Counted) *stats2.Metrics {
	const nanoseconds = 1000 // in a microsecond
	raw := c.Memory.Raw
	out := &stats2.Metrics{
		Pids: &stats2.PidsStat{Current: c.Pids.Current, Limit: c.Pids.Limit},
		CPU: &stats2.CPUStat{
			UsageUsec: c.CPU.Usage.Total / nanoseconds, UserUsec: c.CPU.Usage.User / nanoseconds, SystemUsec: c.CPU.Usage.Kernel / nanoseconds,
			NrPeriods: c.CPU.Throttling.Periods, NrThrottled: c.CPU.Throttling.ThrottledPeriods,
			ThrottledUsec: c.CPU.Throttling.ThrottledTime / nanoseconds,
		},
		Memory: &stats2.MemoryStat{
			Anon: raw["anon"], File: raw["file"], KernelStack: raw["kernel_stack"], Slab: raw["slab"], Sock: raw["sock"], Shmem: raw["shmem"],
			FileMapped: raw["file_mapped"], FileDirty: raw["file_dirty"], FileWriteback: raw["file_writeback"], AnonThp: raw["anon_thp"],
			InactiveAnon: raw["inactive_anon"], ActiveAnon: raw["active_anon"], InactiveFile: raw["inactive_file"], ActiveFile: raw["active_file"],
			Unevictable: raw["unevictable"], SlabReclaimable: raw["slab_reclaimable"], SlabUnreclaimable: raw["slab_unreclaimable"],
			Pgfault: raw["pgfault"], Pgmajfault: raw["pgmajfault"],
			WorkingsetRefault: raw["workingset_refault_anon"] + raw["workingset_refault_file"],
			Usage:             c.Memory.Usage.Usage, UsageLimit: c.Memory.Usage.Limit, MaxUsage: c.Memory.Usage.Max,
			SwapUsage: c.Memory.Swap.Usage - min(c.Memory.Swap.Usage, c.Memory.Usage.Usage), SwapLimit: c.Memory.Swap.Limit,
		},
		MemoryEvents: &stats2.MemoryEvents{Max: c.Memory.Usage.Failcnt},
		Io:           &stats2.IOStat{Usage: blocks2(c)},
	}
	for size, h := range c.Hugetlb {
		out.Hugetlb = append(out.Hugetlb, &stats2.HugeTlbStat{Pagesize: size, Current: h.Usage, Max: h.Max, Failcnt: h.Failcnt})
	}
	return out
}

// blocks2 gathers what was counted for each device.
func blocks2(c *runc.Counted) []*stats2.IOEntry {
	var out []*stats2.IOEntry
	at := func(e runc.CountedBlocks) *stats2.IOEntry {
		for _, have := range out {
			if have.Major == e.Major && have.Minor == e.Minor {
				return have
			}
		}
		out = append(out, &stats2.IOEntry{Major: e.Major, Minor: e.Minor})
		return out[len(out)-1]
	}
	for _, e := range c.Blkio.IoServiceBytesRecursive {
		switch e.Op {
		case "Read":
			at(e).Rbytes = e.Value
		case "Write":
			at(e).Wbytes = e.Value
		}
	}
	for _, e := range c.Blkio.IoServicedRecursive {
		switch e.Op {
		case "Read":
			at(e).Rios = e.Value
		case "Write":
			at(e).Wios = e.Value
		}
	}
	return out
}

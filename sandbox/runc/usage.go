package runc

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/cgroups"
)

// Usage is what the cgroup counted. Peak is in bytes; 0 where the kernel does
// not say (memory.peak came with Linux 5.19).
type Usage struct {
	OOMKills   uint64
	MemoryPeak uint64
	// PidsDenied counts the forks refused by the pids limit.
	PidsDenied uint64
}

// Usage reads the counters. It must be called before Destroy.
func (c *Container) Usage() Usage { return usageIn(c.cgroup.Path("memory"), c.cgroup.Path("pids")) }

// Usage reads the counters of a container that runs.
func (l *Live) Usage() Usage {
	in := func(controller string) string {
		if dir, own := l.cgroups[controller]; own {
			return dir
		}
		return l.cgroups[""] // all of them, on version 2
	}
	return usageIn(in("memory"), in("pids"))
}

// usageIn reads the counters in the directories of the two controllers.
func usageIn(memory, pids string) Usage {
	if cgroups.IsCgroup2UnifiedMode() {
		return Usage{
			OOMKills:   keyed(memory, "memory.events", "oom_kill"),
			MemoryPeak: number(memory, "memory.peak"),
			PidsDenied: keyed(pids, "pids.events", "max"),
		}
	}
	return Usage{
		OOMKills:   keyed(memory, "memory.oom_control", "oom_kill"),
		MemoryPeak: number(memory, "memory.max_usage_in_bytes"),
		PidsDenied: keyed(pids, "pids.events", "max"),
	}
}

// number reads a file that holds one number; 0 when it cannot.
func number(dir, file string) uint64 {
	data, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
	return n
}

// keyed reads one line "key number" of a file; 0 when it is not there.
func keyed(dir, file, key string) uint64 {
	data, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) == 2 && fields[0] == key {
			n, _ := strconv.ParseUint(fields[1], 10, 64)
			return n
		}
	}
	return 0
}

package runc

import (
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/cgroups"
)

func TestFromCgroup(t *testing.T) {
	c := cgroups.NewStats()
	c.CpuStats.CpuUsage.TotalUsage = 1500
	c.MemoryStats.Usage = cgroups.MemoryData{Usage: 1000, Limit: 4096}
	c.PidsStats.Current = 3
	c.BlkioStats.IoServiceBytesRecursive = []cgroups.BlkioStatEntry{
		{Op: "Read", Value: 10}, {Op: "read", Value: 1}, {Op: "Write", Value: 20}, {Op: "Total", Value: 999},
	}
	for name, stats := range map[string]map[string]uint64{
		"version 1": {"total_inactive_file": 300, "inactive_file": 1},
		"version 2": {"inactive_file": 300},
	} {
		c.MemoryStats.Stats = stats
		want := Counters{CPU: 1500 * time.Nanosecond, Memory: 700, MemoryLimit: 4096, BlockRead: 11, BlockWritten: 20, Processes: 3}
		if got := countersOf(c); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	c.MemoryStats.Usage = cgroups.MemoryData{Usage: 100, Limit: 9223372036854771712}
	if got := countersOf(c); got.Memory != 0 || got.MemoryLimit != 0 {
		t.Errorf("more cache than use, and no limit: %+v", got)
	}
}

func TestReadNetwork(t *testing.T) {
	const head = "Inter-|   Receive  |  Transmit\n face |bytes    packets|bytes    packets\n"
	in, out, err := readNetwork(strings.NewReader(head +
		"    lo:  77 1 0 0 0 0 0 0  77 1 0 0 0 0 0 0\n" +
		"  eth0: 100 1 0 0 0 0 0 0 200 1 0 0 0 0 0 0\n" +
		"  eth1:1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n"))
	if in != 101 || out != 202 || err != nil {
		t.Errorf("%d in, %d out, %v", in, out, err)
	}
	if _, _, err := readNetwork(strings.NewReader("eth0: x 1 0 0 0 0 0 0 200\n")); err == nil {
		t.Error("what is no number was taken for one")
	}
}

package runc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// Counters are what a running container has used, all since it began but Memory and
// Processes. Sizes are bytes.
type Counters struct {
	Read time.Time
	// CPU is processor time, of all processors together.
	CPU time.Duration
	// Memory leaves out the page cache that the kernel would give up first.
	// MemoryLimit is 0 without a limit.
	Memory, MemoryLimit     uint64
	NetworkIn               uint64 // without the loopback interface
	NetworkOut              uint64
	BlockRead, BlockWritten uint64
	Processes               uint64
}

// Stats reads the counters, of cgroup version 1 or 2.
func (l *Live) Stats() (Counters, error) {
	all, err := l.container.Stats()
	if err != nil {
		if !l.Alive() {
			return Counters{}, ErrGone
		}
		return Counters{}, fmt.Errorf("read the control group: %w", err)
	}
	s := countersOf(all.CgroupStats)
	s.Read = time.Now()
	dev, err := l.File("net/dev", unix.O_RDONLY)
	if err != nil {
		if !l.Alive() {
			return Counters{}, ErrGone
		}
		return Counters{}, err
	}
	defer dev.Close()
	s.NetworkIn, s.NetworkOut, err = readNetwork(dev)
	return s, err
}

func countersOf(c *cgroups.Stats) Counters {
	s := Counters{
		CPU:       time.Duration(c.CpuStats.CpuUsage.TotalUsage),
		Memory:    c.MemoryStats.Usage.Usage,
		Processes: c.PidsStats.Current,
	}
	// Without a limit the files say the largest number that they can hold.
	if limit := c.MemoryStats.Usage.Limit; limit < 1<<62 {
		s.MemoryLimit = limit
	}
	for _, name := range []string{"total_inactive_file", "inactive_file"} { // version 1, version 2
		if cold, known := c.MemoryStats.Stats[name]; known {
			s.Memory -= min(cold, s.Memory)
			break
		}
	}
	for _, e := range c.BlkioStats.IoServiceBytesRecursive {
		switch strings.ToLower(e.Op) {
		case "read":
			s.BlockRead += e.Value
		case "write":
			s.BlockWritten += e.Value
		}
	}
	return s
}

// readNetwork adds up the interfaces of /proc/PID/net/dev (proc_pid_net(5)): a
// name and a colon, then the bytes that came in, seven other counters, and the
// bytes that went out.
func readNetwork(dev io.Reader) (in, out uint64, err error) {
	lines := bufio.NewScanner(dev)
	for lines.Scan() {
		name, counters, found := strings.Cut(lines.Text(), ":")
		fields := strings.Fields(counters)
		if !found || strings.TrimSpace(name) == "lo" || len(fields) < 9 {
			continue // the two lines of heads
		}
		received, err1 := strconv.ParseUint(fields[0], 10, 64)
		sent, err2 := strconv.ParseUint(fields[8], 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return 0, 0, fmt.Errorf("net/dev: %w", err)
		}
		in, out = in+received, out+sent
	}
	return in, out, lines.Err()
}

// Limits are those of a running container that can be changed; 0 leaves one as
// it is.
type Limits struct {
	Memory   int64 // bytes
	CPUQuota int64 // microseconds in a period, which stays
	Pids     int64
}

// SetLimits changes limits. Swap stays as much beside the memory as it was.
func (l *Live) SetLimits(to Limits) error {
	config := l.container.Config()
	group, resources := *config.Cgroups, *config.Cgroups.Resources
	group.Resources, config.Cgroups = &resources, &group
	resources.SkipDevices = true // they do not change
	if to.Memory != 0 {
		if resources.MemorySwap > 0 {
			resources.MemorySwap += to.Memory - resources.Memory
		}
		resources.Memory = to.Memory
	}
	if to.CPUQuota != 0 {
		resources.CpuQuota = to.CPUQuota
	}
	if to.Pids != 0 {
		resources.PidsLimit = &to.Pids
	}
	err := l.container.Set(config)
	if err != nil && !l.Alive() {
		return ErrGone
	}
	return err
}

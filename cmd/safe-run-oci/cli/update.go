package cli

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"github.com/safe-run/safe-run/sandbox/runc"
)

// updateOptions are the flags of update. Amounts are text, because none and 0
// are not the same.
type updateOptions struct {
	file                                         string
	blkioWeight, pids                            int
	pidsGiven                                    bool
	cpus, mems, idle, burst, period, rtPeriod    string
	shares, quota, rtRuntime                     string
	memory, swap, kernel, kernelTCP, reservation string
	schemas                                      runc.Schemas
}

func (o *updateOptions) declare(f *flags) {
	f.text(&o.file, "resources, r", "", "path to the file containing the resources to update or '-' to read from the standard input; other options are then ignored")
	f.number(&o.blkioWeight, "blkio-weight", "Specifies per cgroup weight, range is from 10 to 1000")
	f.text(&o.period, "cpu-period", "", "CPU CFS period to be used for hardcapping (in usecs). 0 to use system default")
	f.text(&o.quota, "cpu-quota", "", "CPU CFS hardcap limit (in usecs). Allowed cpu time in a given period")
	f.text(&o.burst, "cpu-burst", "", "CPU CFS hardcap burst limit (in usecs)")
	f.text(&o.shares, "cpu-share", "", "CPU shares (relative weight vs. other containers)")
	f.text(&o.rtPeriod, "cpu-rt-period", "", "CPU realtime period to be used for hardcapping (in usecs)")
	f.text(&o.rtRuntime, "cpu-rt-runtime", "", "CPU realtime hardcap limit (in usecs)")
	f.text(&o.cpus, "cpuset-cpus", "", "CPU(s) to use")
	f.text(&o.mems, "cpuset-mems", "", "Memory node(s) to use")
	f.text(&o.kernel, "kernel-memory", "", "")
	f.text(&o.kernelTCP, "kernel-memory-tcp", "", "")
	f.text(&o.memory, "memory", "", "Memory limit (in bytes)")
	f.text(&o.idle, "cpu-idle", "", "set cgroup SCHED_IDLE or not, 0: default behavior, 1: SCHED_IDLE")
	f.text(&o.reservation, "memory-reservation", "", "Memory reservation or soft_limit (in bytes)")
	f.text(&o.swap, "memory-swap", "", "Total memory usage (memory + swap); set '-1' to enable unlimited swap")
	f.number(&o.pids, "pids-limit", "Maximum number of pids allowed in the container")
	f.text(&o.schemas.L3Cache, "l3-cache-schema", "", "The string of Intel RDT/CAT L3 cache schema")
	f.text(&o.schemas.MemoryBandwidth, "mem-bw-schema", "", "The string of Intel RDT/MBA memory bandwidth schema")
}

func (a *app) updateVerb() *verb {
	o := &updateOptions{}
	var parsed *flags
	return &verb{
		name: "update", usage: "update container resource constraints", args: "<container-id>", least: 1, most: 1,
		declare: func(f *flags) { parsed = f; o.declare(f) },
		run: func(args []string) (int, error) {
			o.pidsGiven = parsed.given("pids-limit")
			container, err := a.load(args)
			if err != nil {
				return 0, err
			}
			r, err := a.resources(*o)
			if err != nil {
				return 0, err
			}
			if err := meetUpdate(container, &r); err != nil {
				return 0, err
			}
			return 0, container.Update(r, o.schemas)
		},
	}
}

// resources is what a document or the flags ask for.
func (a *app) resources(o updateOptions) (specs.LinuxResources, error) {
	r := specs.LinuxResources{
		Memory: &specs.LinuxMemory{CheckBeforeUpdate: new(false)},
		CPU:    &specs.LinuxCPU{}, BlockIO: &specs.LinuxBlockIO{}, Pids: &specs.LinuxPids{},
	}
	var err error
	switch o.file {
	case "":
		err = o.fill(&r)
	case "-":
		err = decode(a.std.In, "standard input", &r)
	default:
		var f *os.File
		if f, err = os.Open(o.file); err == nil {
			defer f.Close()
			err = decode(f, o.file, &r)
		}
	}
	if err == nil && (o.kernel != "" || o.kernelTCP != "") {
		logrus.Warn("Kernel memory settings are ignored and will be removed")
	}
	return r, err
}

// fill takes the flags.
func (o *updateOptions) fill(r *specs.LinuxResources) error {
	if o.blkioWeight != 0 {
		if o.blkioWeight < 0 || o.blkioWeight > math.MaxUint16 {
			return fmt.Errorf("invalid value for blkio-weight: %d", o.blkioWeight)
		}
		r.BlockIO.Weight = new(uint16(o.blkioWeight))
	}
	if o.pidsGiven {
		r.Pids.Limit = new(int64(o.pids))
	}
	r.CPU.Cpus, r.CPU.Mems = o.cpus, o.mems
	for _, f := range []struct {
		name, text string
		to         **uint64
	}{
		{"cpu-burst", o.burst, &r.CPU.Burst}, {"cpu-period", o.period, &r.CPU.Period},
		{"cpu-rt-period", o.rtPeriod, &r.CPU.RealtimePeriod}, {"cpu-share", o.shares, &r.CPU.Shares},
	} {
		if err := fill(f.name, f.text, f.to, func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }); err != nil {
			return err
		}
	}
	number := func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }
	for _, f := range []struct {
		name, text string
		to         **int64
		parse      func(string) (int64, error)
	}{
		{"cpu-idle", o.idle, &r.CPU.Idle, number}, {"cpu-quota", o.quota, &r.CPU.Quota, number},
		{"cpu-rt-runtime", o.rtRuntime, &r.CPU.RealtimeRuntime, number},
		{"memory", o.memory, &r.Memory.Limit, size}, {"memory-swap", o.swap, &r.Memory.Swap, size},
		{"memory-reservation", o.reservation, &r.Memory.Reservation, size},
	} {
		if err := fill(f.name, f.text, f.to, f.parse); err != nil {
			return err
		}
	}
	return nil
}

func fill[T any](name, text string, to **T, parse func(string) (T, error)) error {
	if text == "" {
		return nil
	}
	value, err := parse(text)
	if err != nil {
		return fmt.Errorf("invalid value for %s: %w", name, err)
	}
	*to = &value
	return nil
}

// size reads 1048576, 32M or 0.5g, in powers of 1024, and -1 for no limit.
func size(text string) (int64, error) {
	if text == "-1" {
		return -1, nil
	}
	lower := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(text), "b"), "i")
	shift := 0
	if at := strings.IndexAny(lower, "kmgtp"); at >= 0 && at == len(lower)-1 {
		shift = 10 * (1 + strings.IndexByte("kmgtp", lower[at]))
		lower = strings.TrimSpace(lower[:at])
	}
	n, err := strconv.ParseFloat(lower, 64)
	value := n * float64(uint64(1)<<shift)
	if err != nil || !(n >= 0) || value >= math.MaxInt64 {
		return 0, fmt.Errorf("invalid size: '%s'", printable(text))
	}
	return int64(value), nil
}

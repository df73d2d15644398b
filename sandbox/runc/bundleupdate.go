package runc

import (
	"errors"
	"slices"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runc/libcontainer/intelrdt"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Schemas are the shares of a processor's cache and memory bandwidth, as
// resctrl writes them; empty is unchanged.
type Schemas struct{ L3Cache, MemoryBandwidth string }

// Update changes the limits of a running container. What r does not name stays
// as it is, apart from cpusets, pids and unified settings, of which libcontainer
// writes only what is set.
func (b *Bundle) Update(r specs.LinuxResources, schemas Schemas) error {
	config := b.container.Config()
	// What is recorded stays as it was until the kernel has taken all of it.
	limits := *config.Cgroups.Resources
	group := *config.Cgroups
	group.Resources = &limits
	config.Cgroups = &group
	if r.Memory != nil {
		updateMemory(&limits, r.Memory)
	}
	if r.CPU != nil {
		updateCPU(&limits, r.CPU)
	}
	if r.BlockIO != nil {
		updateBlockIO(&limits, r.BlockIO)
	}
	limits.PidsLimit = nil
	if r.Pids != nil {
		limits.PidsLimit = r.Pids.Limit
	}
	limits.Unified = r.Unified
	if schemas != (Schemas{}) {
		if schemas.L3Cache != "" && !intelrdt.IsCATEnabled() {
			//lint:ignore ST1005 the text is runc's, which callers look for
			return errors.New("Intel RDT/CAT: l3 cache schema is not enabled")
		}
		if schemas.MemoryBandwidth != "" && !intelrdt.IsMBAEnabled() {
			//lint:ignore ST1005 the text is runc's, which callers look for
			return errors.New("Intel RDT/MBA: memory bandwidth schema is not enabled")
		}
		if config.IntelRdt == nil {
			return errors.New("updating a non-existent Intel RDT configuration is not supported")
		}
		rdt := *config.IntelRdt
		set(&rdt.L3CacheSchema, nonEmpty(schemas.L3Cache))
		set(&rdt.MemBwSchema, nonEmpty(schemas.MemoryBandwidth))
		config.IntelRdt = &rdt
	}
	// Device rules cannot be changed here, and may be somebody else's by now.
	// This is not written into the container's state.
	limits.SkipDevices = true
	return b.container.Set(config)
}

func set[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

func nonEmpty(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func updateMemory(limits *cgroups.Resources, m *specs.LinuxMemory) {
	set(&limits.Memory, m.Limit)
	set(&limits.MemoryReservation, m.Reservation)
	set(&limits.MemorySwap, m.Swap)
	set(&limits.MemoryCheckBeforeUpdate, m.CheckBeforeUpdate)
	if m.Limit != nil && *m.Limit == -1 && m.Swap == nil {
		limits.MemorySwap = 0 // there can be no limit of both without one of memory
	}
}

func updateCPU(limits *cgroups.Resources, c *specs.LinuxCPU) {
	if c.Idle != nil && c.Shares == nil {
		c.Shares = new(uint64(0)) // the kernel takes no weight for who is idle
	}
	if c.Shares != nil {
		limits.CpuShares = *c.Shares
		limits.CpuWeight = cgroups.ConvertCPUSharesToCgroupV2Value(*c.Shares)
	}
	// Period and quota may be given one by one; the other then stays.
	period, quota := uint64(0), int64(0)
	set(&period, c.Period)
	set(&quota, c.Quota)
	if (period == 0) == (quota == 0) {
		limits.CpuPeriod, limits.CpuQuota = period, quota
	} else if period != 0 {
		limits.CpuPeriod = period
	} else {
		limits.CpuQuota = quota
	}
	limits.CpuBurst, limits.CPUIdle = c.Burst, c.Idle
	set(&limits.CpuRtPeriod, c.RealtimePeriod)
	set(&limits.CpuRtRuntime, c.RealtimeRuntime)
	limits.CpusetCpus, limits.CpusetMems = c.Cpus, c.Mems
}

func updateBlockIO(limits *cgroups.Resources, io *specs.LinuxBlockIO) {
	set(&limits.BlkioWeight, io.Weight)
	set(&limits.BlkioLeafWeight, io.LeafWeight)
	for _, d := range io.WeightDevice {
		limits.BlkioWeightDevice = weigh(limits.BlkioWeightDevice, d)
	}
	for _, t := range []struct {
		to   *[]*cgroups.ThrottleDevice
		from []specs.LinuxThrottleDevice
	}{
		{&limits.BlkioThrottleReadBpsDevice, io.ThrottleReadBpsDevice},
		{&limits.BlkioThrottleWriteBpsDevice, io.ThrottleWriteBpsDevice},
		{&limits.BlkioThrottleReadIOPSDevice, io.ThrottleReadIOPSDevice},
		{&limits.BlkioThrottleWriteIOPSDevice, io.ThrottleWriteIOPSDevice},
	} {
		for _, d := range t.from {
			*t.to = throttle(*t.to, d)
		}
	}
}

// weigh changes the weight of a device, or adds it. Of two entries for one
// device the last counts.
func weigh(list []*cgroups.WeightDevice, d specs.LinuxWeightDevice) []*cgroups.WeightDevice {
	changed := cgroups.NewWeightDevice(d.Major, d.Minor, 0, 0)
	list = slices.Clone(list)
	at := len(list)
	for i, have := range list {
		if have.Major == d.Major && have.Minor == d.Minor {
			at, changed = i, cgroups.NewWeightDevice(d.Major, d.Minor, have.Weight, have.LeafWeight)
		}
	}
	set(&changed.Weight, d.Weight)
	set(&changed.LeafWeight, d.LeafWeight)
	if at == len(list) {
		return append(list, changed)
	}
	list[at] = changed
	return list
}

// throttle changes the rate of a device, or adds it.
func throttle(list []*cgroups.ThrottleDevice, d specs.LinuxThrottleDevice) []*cgroups.ThrottleDevice {
	changed := cgroups.NewThrottleDevice(d.Major, d.Minor, d.Rate)
	list = slices.Clone(list)
	for i, have := range slices.Backward(list) {
		if have.Major == d.Major && have.Minor == d.Minor {
			list[i] = changed
			return list
		}
	}
	return append(list, changed)
}

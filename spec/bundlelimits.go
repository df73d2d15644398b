package spec

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// harmless are the devices that every container has; libcontainer makes them.
var harmless = map[string][2]int64{
	"/dev/null": {1, 3}, "/dev/zero": {1, 5}, "/dev/full": {1, 7}, "/dev/random": {1, 8}, "/dev/urandom": {1, 9},
	"/dev/tty": {5, 0}, "/dev/console": {5, 1}, "/dev/ptmx": {5, 2},
}

// hostConsole is the number of /dev/console, by which a process opens the host's
// own. The /dev/console of a container is a pseudo terminal, mounted there.
var hostConsole = [2]int64{5, 1}

// pseudoTerminals is the major number of /dev/pts/N.
const pseudoTerminals = 136

// meetDevices leaves the harmless ones. Engines ask for those by rule as well,
// and for the making of nodes, which capabilities(7) decide about.
func (m *meeter) meetDevices() error {
	var kept []specs.LinuxDevice
	for _, d := range m.linux.Devices {
		number, known := harmless[d.Path]
		if known && d.Type == "c" && [2]int64{d.Major, d.Minor} == number {
			kept = append(kept, d)
			continue
		}
		if err := m.conflict(deviceDecision("device "+d.Path), func() {}); err != nil {
			return err
		}
	}
	m.linux.Devices = kept
	for _, rule := range m.linux.Resources.Devices {
		if !rule.Allow || ordinary(rule) {
			continue
		}
		if err := m.conflict(deviceDecision("device rule "+ruleText(rule)), func() {}); err != nil {
			return err
		}
	}
	m.linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}
	for _, d := range kept {
		// A device that the bundle names is its engine's to allow, also one that
		// libcontainer makes and allows when it is not named.
		if [2]int64{d.Major, d.Minor} == hostConsole {
			continue
		}
		m.linux.Resources.Devices = append(m.linux.Resources.Devices, specs.LinuxDeviceCgroup{
			Allow: true, Type: d.Type, Major: new(d.Major), Minor: new(d.Minor), Access: "rwm",
		})
	}
	for name := range m.linux.NetDevices {
		if err := m.conflict(deviceDecision("network device "+name), func() {}); err != nil {
			return err
		}
	}
	m.linux.NetDevices = nil
	return nil
}

func deviceDecision(setting string) Decision {
	return Decision{Setting: setting, Value: "left out", Source: fromSafeRun, Why: "no device of the host is given to a container"}
}

// ordinary says whether a rule gives nothing but harmless devices, or the making
// of nodes.
func ordinary(rule specs.LinuxDeviceCgroup) bool {
	if rule.Access == "m" {
		return true
	}
	if rule.Type != "c" || rule.Major == nil {
		return false
	}
	if *rule.Major == pseudoTerminals {
		return true
	}
	for _, number := range harmless {
		if rule.Minor != nil && number == [2]int64{*rule.Major, *rule.Minor} {
			return true
		}
	}
	return false
}

func ruleText(rule specs.LinuxDeviceCgroup) string {
	number := func(n *int64) string {
		if n == nil {
			return "*"
		}
		return strconv.FormatInt(*n, 10)
	}
	return fmt.Sprintf("%s %s:%s %s", rule.Type, number(rule.Major), number(rule.Minor), rule.Access)
}

// limits are those of the profile, in the form of the spec.
func (m *meeter) limits() *specs.LinuxResources {
	r := m.in.Profile.Resources
	memory, cpus := int64(or(r.Memory, defaultMemory)), or(r.CPUs, defaultCPUs)
	out := &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: &memory},
		CPU:    &specs.LinuxCPU{Quota: new(int64(cpus) * cpuPeriod / 1000), Period: new(uint64(cpuPeriod))},
		Pids:   &specs.LinuxPids{Limit: new(or(r.Pids, defaultPids))},
	}
	if m.in.Host.Cgroup.SwapLimit {
		out.Memory.Swap = new(memory + int64(or(r.Swap, 0)))
	}
	return out
}

func (m *meeter) meetResources() error {
	for _, key := range slices.Sorted(maps.Keys(m.linux.Resources.Unified)) {
		why, refused := unifiedRefused(key)
		if !refused {
			continue
		}
		err := m.conflict(Decision{
			Setting: "resources.unified " + key, Value: "left out", Source: fromSafeRun, Why: why,
		}, func() { delete(m.linux.Resources.Unified, key) })
		if err != nil {
			return err
		}
	}
	for _, b := range beyondQuota(m.linux.Resources.CPU) {
		err := m.conflict(Decision{
			Setting: "resources.cpu " + b.field, Value: "left out", Source: fromSafeRun, Why: whyBeyondQuota,
		}, b.clear)
		if err != nil {
			return err
		}
	}
	limits, r := m.limits(), m.linux.Resources
	if r.Memory == nil {
		r.Memory = &specs.LinuxMemory{}
	}
	if r.CPU == nil {
		r.CPU = &specs.LinuxCPU{}
	}
	if r.Pids == nil {
		r.Pids = &specs.LinuxPids{}
	}
	r.Memory.Limit = smaller(r.Memory.Limit, limits.Memory.Limit)
	r.Memory.Swap = smaller(r.Memory.Swap, limits.Memory.Swap)
	r.Memory.DisableOOMKiller = nil
	r.Pids.Limit = smaller(r.Pids.Limit, limits.Pids.Limit)
	if r.CPU.Quota == nil || exceeds(r.CPU, limits.CPU) {
		r.CPU.Quota, r.CPU.Period = limits.CPU.Quota, limits.CPU.Period
	}
	m.decide(Decision{Setting: "memory", Value: profiles.Bytes(*r.Memory.Limit).String(), Source: m.source("resources.memory")})
	m.decide(Decision{Setting: "pids", Value: decimal(uint64(*r.Pids.Limit)), Source: m.source("resources.pids")})
	return nil
}

// unitProperty begins the annotations that libcontainer takes as properties of
// the container's systemd unit; engines set those of unitProperties.
const unitProperty = "org.systemd.property."

var unitProperties = []string{"After", "CollectMode", "DefaultDependencies", "KillSignal", "TimeoutStopUSec"}

// ownAnnotation begins the annotations that are safe-run's own, of which an
// exported bundle has the one that tells its network.
const (
	ownAnnotation     = "dev.safe-run."
	networkAnnotation = ownAnnotation + "network"
)

// meetAnnotations leaves out those that say limits again, in another way, or
// that a runtime takes for its own.
func (m *meeter) meetAnnotations() error {
	for _, key := range slices.Sorted(maps.Keys(m.oci.Annotations)) {
		property, isUnit := strings.CutPrefix(key, unitProperty)
		own := key == "bundle" || key == "org.criu.config" || strings.HasPrefix(key, ownAnnotation) && key != networkAnnotation
		if !own && (!isUnit || slices.Contains(unitProperties, property)) {
			continue
		}
		err := m.conflict(Decision{
			Setting: "annotation " + key, Value: "left out", Source: fromSafeRun, Why: "a runtime takes it for a setting, and it is in no profile",
		}, func() { delete(m.oci.Annotations, key) })
		if err != nil {
			return err
		}
	}
	return nil
}

// smaller is the smaller of two limits, of which 0 and less are none.
func smaller(asked, limit *int64) *int64 {
	if limit == nil || asked != nil && *asked > 0 && *asked <= *limit {
		return asked
	}
	return new(*limit)
}

// exceeds says whether asked gives more processor time, or does not say how
// much; without a period the kernel's own holds, which is the same as ours.
func exceeds(asked, limit *specs.LinuxCPU) bool {
	if asked.Quota == nil || *asked.Quota <= 0 {
		return true
	}
	period := uint64(cpuPeriod)
	if asked.Period != nil && *asked.Period > 0 {
		period = *asked.Period
	}
	// asked.Quota/period > limit.Quota/limit.Period, without overflow.
	h1, l1 := bits.Mul64(uint64(*asked.Quota), *limit.Period)
	h2, l2 := bits.Mul64(uint64(*limit.Quota), period)
	return h1 > h2 || h1 == h2 && l1 > l2
}

// MeetUpdate holds a change of limits to those of the profile. What it does not
// name stays as it is.
func (m *Met) MeetUpdate(r *specs.LinuxResources) error {
	if m.Limits == nil || m.Limits.Memory == nil || m.Limits.CPU == nil || m.Limits.Pids == nil {
		return problem.New("delete the container and create it again", "it is not known what the container was limited to")
	}
	for _, key := range slices.Sorted(maps.Keys(r.Unified)) {
		if why, refused := unifiedRefused(key); refused {
			return problem.New("use the field for it", "unified %s is not changed in a container of profile %s: %s", clip(key), m.Profile, why)
		}
	}
	if asked := beyondQuota(r.CPU); len(asked) > 0 {
		return problem.New("change the quota", "cpu %s is not changed in a container of profile %s: %s", asked[0].field, m.Profile, whyBeyondQuota)
	}
	if r.Memory != nil {
		if r.Memory.Limit != nil {
			r.Memory.Limit = smaller(r.Memory.Limit, m.Limits.Memory.Limit)
		}
		if r.Memory.Swap != nil {
			r.Memory.Swap = smaller(r.Memory.Swap, m.Limits.Memory.Swap)
		}
	}
	if r.Pids != nil && r.Pids.Limit != nil {
		r.Pids.Limit = smaller(r.Pids.Limit, m.Limits.Pids.Limit)
	}
	if c := r.CPU; c != nil && (c.Quota != nil || c.Period != nil) && (c.Period == nil || exceeds(c, m.Limits.CPU)) {
		c.Quota, c.Period = m.Limits.CPU.Quota, m.Limits.CPU.Period
	}
	return nil
}

// MeetExec holds another process to the confinement of the first: it may have
// less and never more, and it is not root where the first was not.
func (m *Met) MeetExec(asked *specs.Process) (*specs.Process, error) {
	if m.Process == nil || m.Process.Capabilities == nil {
		return nil, problem.New("delete the container and create it again", "it is not known what the container was confined to")
	}
	p := *asked
	p.Scheduler, p.IOPriority, p.ExecCPUAffinity = nil, nil, nil // see unjudged
	bound := m.Process
	if err := m.execUser(&p.User); err != nil {
		return nil, err
	}
	caps := p.Capabilities
	if caps == nil {
		caps = bound.Capabilities
	}
	c := bound.Capabilities
	p.Capabilities = &specs.LinuxCapabilities{
		Bounding: within(caps.Bounding, c.Bounding), Effective: within(caps.Effective, c.Bounding),
		Permitted: within(caps.Permitted, c.Bounding), Inheritable: within(caps.Inheritable, c.Bounding),
		Ambient: within(caps.Ambient, c.Bounding),
	}
	p.NoNewPrivileges = p.NoNewPrivileges || bound.NoNewPrivileges
	p.Rlimits = meetRlimits(p.Rlimits, bound.Rlimits)
	if bound.ApparmorProfile != "" {
		p.ApparmorProfile = bound.ApparmorProfile
	}
	if bound.SelinuxLabel != "" {
		p.SelinuxLabel = bound.SelinuxLabel
	}
	if bound.OOMScoreAdj != nil && (p.OOMScoreAdj == nil || *p.OOMScoreAdj < *bound.OOMScoreAdj) {
		p.OOMScoreAdj = bound.OOMScoreAdj
	}
	return &p, nil
}

// execUser lets nobody be root where the first process is not. An engine asks
// for the user that it gave the first process; where the profile has taken that
// one's place, it does so here.
func (m *Met) execUser(user *specs.User) error {
	first := m.Process.User
	if m.Replaced != nil {
		if user.UID == m.Replaced.UID && user.GID == m.Replaced.GID {
			umask := user.Umask
			*user = first
			user.Umask = umask
		}
		// Groups that the first process was not given are not had this way.
		user.AdditionalGids = slices.DeleteFunc(slices.Clone(user.AdditionalGids), func(g uint32) bool {
			return !slices.Contains(first.AdditionalGids, g)
		})
	}
	if user.UID == 0 && first.UID != 0 {
		if m.Replaced == nil || m.Replaced.UID != 0 {
			return problem.New("choose another user", "root is not given to an exec in a container of profile %s", m.Profile)
		}
		user.UID = first.UID
	}
	if user.GID == 0 && first.GID != 0 {
		user.GID = first.GID
	}
	if first.GID != 0 && !slices.Contains(first.AdditionalGids, 0) {
		user.AdditionalGids = slices.DeleteFunc(slices.Clone(user.AdditionalGids), func(g uint32) bool { return g == 0 })
	}
	return nil
}

// within keeps the members of set that bound has.
func within(set, bound []string) []string {
	out := []string{}
	for _, name := range set {
		if slices.Contains(bound, strings.ToUpper(name)) {
			out = append(out, strings.ToUpper(name))
		}
	}
	return out
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// tmpfsSize reads tmpfs(5)'s size: bytes, or with k, m or g.
func tmpfsSize(text string) (uint64, bool) {
	shift := 0
	if at := strings.IndexAny(strings.ToLower(text), "kmg"); at >= 0 && at == len(text)-1 {
		shift = 10 * (1 + strings.IndexByte("kmg", strings.ToLower(text)[at]))
		text = text[:at]
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return n << shift, err == nil && n <= 1<<(63-shift)
}

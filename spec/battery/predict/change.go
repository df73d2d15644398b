package predict

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
)

// ProbePath is where the program that attacks is mounted.
const ProbePath = "/.safe-run-attacks"

// Marker is the errno that a marked filter refuses with. The kernel gives it to
// nobody else: it is the last that Linux has a name for (EHWPOISON), and means
// memory that has physically failed.
const Marker = 133

// Change is how a plan that is attacked differs from the one that would run.
type Change struct {
	// Probe is the program on the host; Args follow it.
	Probe string
	Args  []string
	// Marked lets the filter refuse with Marker, whatever it refuses.
	Marked bool
	// Limits, if it is not nil, says what the probe is told of the limits of a plan.
	Limits func(*spec.Plan) string
	// Without are the layers that are taken away.
	Without []battery.Layer
	// Stage is what is put there for attacks that need something to get at.
	Stage Stage
	// Base, if it is not nil, is a change to what is predicted from as well; see
	// Before.
	Base func(*spec.Plan)
	// Remove takes something else away, if it is not nil.
	Remove func(*spec.Plan)
}

// Before gives the plan that is predicted from.
func (c Change) Before(plan *spec.Plan) (*spec.Plan, error) {
	out, err := clone(plan)
	if err == nil && c.Base != nil {
		c.Base(out)
	}
	return out, err
}

// Apply gives the changed plan. The one that comes in stays as it is.
func (c Change) Apply(plan *spec.Plan) (*spec.Plan, error) {
	out, err := clone(plan)
	if err != nil {
		return nil, err
	}
	if c.Probe != "" {
		args := c.Args
		if c.Limits != nil && c.Limits(out) != "" {
			args = append(slices.Clone(args), "--limits", c.Limits(out))
		}
		carry(out, c.Probe, args)
	}
	for _, layer := range c.Without {
		remove, ok := removals[layer]
		if !ok {
			return nil, fmt.Errorf("the layer %s cannot be taken away", layer)
		}
		remove(out)
	}
	c.Stage.set(out, c.Without)
	if c.Remove != nil {
		c.Remove(out)
	}
	if c.Marked {
		mark(out.OCI.Linux.Seccomp)
	}
	return out, nil
}

// clone copies a plan deeply: it is data, and JSON is how it travels anyway.
func clone(plan *spec.Plan) (*spec.Plan, error) {
	data, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	out := new(spec.Plan)
	return out, json.Unmarshal(data, out)
}

// carry makes the probe the program. Its file is seen read-only: what attacks
// must not be able to change what attacks next.
func carry(plan *spec.Plan, probe string, args []string) {
	plan.OCI.Mounts = append(plan.OCI.Mounts, specs.Mount{
		Destination: ProbePath, Type: "bind", Source: probe,
		Options: []string{"bind", "rprivate", "nosuid", "nodev", "ro"},
	})
	plan.Rootfs.FileMounts = append(plan.Rootfs.FileMounts, ProbePath)
	p := plan.OCI.Process
	command := append([]string{ProbePath}, args...)
	if plan.Lifecycle.Init && len(p.Args) > 0 && p.Args[0] == spec.InitPath {
		command = append([]string{spec.InitPath}, command...)
	}
	p.Args = command
	p.Terminal = false
	plan.Lifecycle.Health = nil
	// What follows a denial would end the battery at its first attack.
	plan.Reactions = nil
}

func mark(filter *specs.LinuxSeccomp) {
	if filter == nil {
		return
	}
	errno := uint(Marker)
	filter.DefaultErrnoRet = &errno
	for i := range filter.Syscalls {
		if filter.Syscalls[i].Action == specs.ActErrno {
			filter.Syscalls[i].ErrnoRet = &errno
		}
	}
}

// Ablations are the layers that are taken away one at a time from under all
// attacks, in the order of a report.
func Ablations(plan *spec.Plan) []battery.Layer {
	var all []battery.Layer
	for _, layer := range []battery.Layer{
		battery.Seccomp, battery.Capabilities, battery.Masks, battery.Mounts, battery.ReadOnly,
		battery.NonRoot, battery.UserNS, battery.Cgroup, battery.Rlimits, battery.Sysctls, battery.Landlock, battery.Guard,
	} {
		if has(plan, layer) {
			all = append(all, layer)
		}
	}
	return all
}

// CanGo says whether layers can be taken away together. Never the user namespace
// with the capabilities: what attacks would have those of the host then.
func CanGo(layers []battery.Layer) bool {
	if slices.Contains(layers, battery.UserNS) &&
		(slices.Contains(layers, battery.Capabilities) || slices.Contains(layers, battery.BoundingSet)) {
		return false
	}
	return !slices.ContainsFunc(layers, func(l battery.Layer) bool { return removals[l] == nil })
}

var removals = map[battery.Layer]func(*spec.Plan){
	battery.Seccomp:      func(p *spec.Plan) { p.OCI.Linux.Seccomp = nil },
	battery.Capabilities: allCapabilities,
	battery.Masks:        func(p *spec.Plan) { p.OCI.Linux.MaskedPaths, p.OCI.Linux.ReadonlyPaths = nil, nil },
	battery.Mounts:       looseMounts,
	battery.ReadOnly:     writableRoot,
	battery.NonRoot:      asRoot,
	battery.UserNS:       hostUsers,
	battery.Cgroup:       noLimits,
	battery.Rlimits:      func(p *spec.Plan) { p.OCI.Process.Rlimits = nil },
	battery.Sysctls:      func(p *spec.Plan) { p.OCI.Linux.Sysctl, p.Namespaced = nil, nil },
	battery.Landlock:     func(p *spec.Plan) { p.Landlock = nil },
	// The filter goes with it: who is without loads it before what it refuses is done.
	battery.NoNewPrivs:  func(p *spec.Plan) { p.OCI.Process.NoNewPrivileges, p.OCI.Linux.Seccomp = false, nil },
	battery.BoundingSet: wholeBoundingSet,
	battery.Namespaces:  hostNetwork,
	battery.Guard:       withoutGuard,
	// What these hold away is put there by Stage.
	battery.DeviceNodes: func(*spec.Plan) {},
	battery.NoHostFiles: func(*spec.Plan) {},
}

// withoutGuard accepts that it is missing: the sandbox would put it back where it is on.
func withoutGuard(p *spec.Plan) {
	p.Guard, p.Accepted = nil, append(slices.Clone(p.Accepted), profiles.WeakGuard)
}

// allCapabilities gives those that are the user namespace's alone: what the
// container could have at most.
func allCapabilities(p *spec.Plan) {
	all := slices.Clone(capabilityNames)
	p.OCI.Process.Capabilities = &specs.LinuxCapabilities{
		Bounding: all, Effective: all, Permitted: all, Inheritable: all, Ambient: all,
	}
}

func looseMounts(p *spec.Plan) {
	for i := range p.OCI.Mounts {
		m := &p.OCI.Mounts[i]
		if m.Destination == ProbePath || m.Destination == spec.InitPath {
			continue
		}
		if m.Type == "tmpfs" && slices.ContainsFunc(m.Options, func(o string) bool { return strings.HasPrefix(o, "size=") }) {
			m.Options = append(m.Options, "nr_blocks=0") // none, where half of the machine's memory is the default (tmpfs(5))
		}
		m.Options = slices.DeleteFunc(m.Options, func(o string) bool {
			return o == "nosuid" || o == "noexec" || o == "nodev" && m.Type == "tmpfs" ||
				m.Type == "tmpfs" && (strings.HasPrefix(o, "size=") || strings.HasPrefix(o, "nr_inodes="))
		})
	}
}

func writableRoot(p *spec.Plan) {
	p.Rootfs.ReadOnly, p.OCI.Root.Readonly = false, false
	if p.Rootfs.WritableBytes == 0 {
		p.Rootfs.WritableBytes = 16 << 20
	}
}

func asRoot(p *spec.Plan) {
	p.OCI.Process.User.UID, p.OCI.Process.User.GID = 0, 0
	p.RootAllowed = true
}

// hostUsers takes the user namespace away: ids are the host's, and so nothing is
// mapped any more.
func hostUsers(p *spec.Plan) {
	l := p.OCI.Linux
	l.UIDMappings, l.GIDMappings = nil, nil
	l.Namespaces = slices.DeleteFunc(l.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace })
	p.Rootfs.IDMap = false
	// Without it they would be the host's.
	maps.DeleteFunc(p.Namespaced, func(key, _ string) bool { return strings.HasPrefix(key, "user.") })
	for i := range p.OCI.Mounts {
		m := &p.OCI.Mounts[i]
		m.UIDMappings, m.GIDMappings = nil, nil
		m.Options = slices.DeleteFunc(m.Options, func(o string) bool { return o == "idmap" || o == "ridmap" })
	}
}

// noLimits leaves the control group without limits that a probe can meet. The
// devices stay closed: without that, what the probes make would be the host's.
func noLimits(p *spec.Plan) {
	r := p.OCI.Linux.Resources
	r.Memory, r.CPU, r.Pids = nil, nil, nil
	p.Limits = spec.Limits{}
}

package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// needs is what a plan asks of a host.
type needs struct {
	memory, swap, cpu, pids bool
	bridge                  bool
	rlimits                 []profiles.Rlimit
	// acceptable are the names under accept in the profile.
	acceptable []string
}

// loss is a setting that a host cannot enforce.
type loss struct {
	name   string // of the weakening, see profiles.Weakenings
	reason string // what the host lacks
}

// losses are those of one plan.
type losses []loss

// has reports whether name is lost.
func (l losses) has(name string) bool {
	return slices.ContainsFunc(l, func(x loss) bool { return x.name == name })
}

// weigh compares what a plan needs with what a host can do. What is missing is
// an error, unless the profile accepts to go without it by name. A probe that
// does not know the answer counts as yes, because everything that is probed
// fails loudly at launch when it is not there after all.
func weigh(n needs, h Host) (losses, error) {
	missing := kernelLosses(n, h)
	missing = append(missing, cgroupLosses(n, h.Cgroup, h.SwapTotal)...)
	missing = append(missing, rlimitLosses(n, h)...)

	refused := slices.DeleteFunc(slices.Clone(missing), func(l loss) bool {
		return slices.Contains(n.acceptable, l.name)
	})
	if len(refused) == 0 {
		return missing, nil
	}
	var reasons, flags []string
	for _, l := range refused {
		reasons = append(reasons, fmt.Sprintf("%s (%s)", l.name, l.reason))
		flags = append(flags, "--accept "+l.name)
	}
	hint := "to go without, run with " + strings.Join(flags, " ") + ", or write it under accept: in the profile with a why:"
	return nil, problem.New(hint, "this host cannot enforce: %s", strings.Join(reasons, "; "))
}

func kernelLosses(n needs, h Host) losses {
	var out losses
	if h.UserNamespaces == No {
		out = append(out, loss{profiles.WeakUserNamespace, "new user namespaces cannot be made"})
	}
	switch {
	case h.IDMappedMounts == No:
		out = append(out, loss{profiles.WeakIDMappedMounts, "idmapped mounts need Linux 5.12, this is " + h.Kernel})
	case h.OverlayIDMap == No:
		out = append(out, loss{profiles.WeakIDMappedMounts, "overlayfs over idmapped layers needs Linux 5.19, this is " + h.Kernel})
	}
	if h.Seccomp == No {
		out = append(out, loss{profiles.WeakSeccomp, "system call filters cannot be installed"})
	}
	if len(h.Sysctls) > 0 && h.SysctlsWritable == No {
		out = append(out, loss{profiles.WeakNamespaceSysctls, "/proc/sys is mounted read-only, as inside another container"})
	}
	if n.bridge && h.Nftables == No {
		out = append(out, loss{profiles.WeakNetworkIsolation, "nf_tables is missing or may not be changed"})
	}
	return out
}

func cgroupLosses(n needs, cg Cgroup, swapTotal int64) losses {
	var out losses
	lacks := func(needed bool, name, controller string) bool {
		if !needed || slices.Contains(cg.Controllers, controller) {
			return false
		}
		reason := fmt.Sprintf("no %s controller in cgroup version %d", controller, cg.Version)
		out = append(out, loss{name, reason})
		return true
	}
	if !lacks(n.memory, profiles.WeakMemoryLimit, "memory") &&
		n.swap && !cg.SwapLimit && swapTotal > 0 {
		out = append(out, loss{profiles.WeakSwapLimit, "the kernel does not account swap by group; boot with swapaccount=1"})
	}
	lacks(n.cpu, profiles.WeakCPULimit, "cpu")
	lacks(n.pids, profiles.WeakPidsLimit, "pids")
	return out
}

// rlimitLosses finds limits above the launcher's own hard limits, which only
// CAP_SYS_RESOURCE may set (setrlimit(2)).
func rlimitLosses(n needs, h Host) losses {
	if slices.Contains(h.Capabilities, "SYS_RESOURCE") {
		return nil
	}
	var above []string
	for _, r := range n.rlimits {
		own, known := h.Rlimits[r.Name]
		if known && r.Hard != nil && uint64(*r.Hard) > own {
			above = append(above, fmt.Sprintf("%s %d is above the launcher's own %d", r.Name, *r.Hard, own))
		}
	}
	if above == nil {
		return nil
	}
	slices.Sort(above)
	return losses{{profiles.WeakRlimits, strings.Join(above, ", ") + ", and it lacks CAP_SYS_RESOURCE"}}
}

// degrade weighs the profile against the host and records what is accepted.
func (c *compiler) degrade() error {
	p := c.in.Profile
	n := needs{
		memory: true, swap: true, cpu: true, pids: true,
		bridge: c.mode() == NetworkBridge, rlimits: p.Process.Rlimits,
	}
	for _, a := range p.Accept {
		n.acceptable = append(n.acceptable, a.Name)
	}
	lost, err := weigh(n, c.in.Host)
	if err != nil {
		return err
	}
	c.lost = lost
	for _, l := range lost {
		c.plan.Accepted = append(c.plan.Accepted, l.name)
		path := entry("accept", l.name)
		c.decide(Decision{
			Setting: l.name, Value: "not enforced", Source: c.source(path),
			Why: c.why(path, l.reason), Weakens: meaning(l.name),
		})
	}
	if lost.has(profiles.WeakUserNamespace) && c.who.uid == 0 {
		return problem.New("choose a user with --user", "root inside would be root on the host, because this host has no user namespaces")
	}
	return nil
}

// meaning says what is given up with a weakening.
func meaning(name string) string {
	for _, w := range profiles.Weakenings() {
		if w.Name == name {
			return w.Meaning
		}
	}
	return name
}

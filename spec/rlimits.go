package spec

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
)

// rlimits bounds single processes, where cgroups bound the container. Core
// dumps are off in any case: they are files with secrets in them.
//
// A limit of 0 is ignored when the host's core_pattern names a program: it is
// started, as root and outside of every container, with the memory of the
// process that crashed. Only a limit of 1 stops that (core(5); coredump_pipe
// in the kernel's fs/coredump.c), and it is too little for a file as well.
func (c *compiler) rlimits() error {
	return c.limitTo(c.processesOfUser(slices.Clone(c.in.Profile.Process.Rlimits)))
}

// limitTo sets limits of processes, and that of core dumps.
func (c *compiler) limitTo(limits []profiles.Rlimit) error {
	if !slices.ContainsFunc(limits, func(r profiles.Rlimit) bool { return r.Name == "core" }) {
		zero := int64(0)
		limits = append(limits, profiles.Rlimit{Name: "core", Soft: &zero, Hard: &zero})
	}
	slices.SortFunc(limits, func(a, b profiles.Rlimit) int { return strings.Compare(a.Name, b.Name) })
	for _, r := range limits {
		soft, hard := uint64(or(r.Soft, 0)), uint64(or(r.Hard, 0))
		source := c.source(entry("process.rlimits", r.Name))
		if own, known := c.in.Host.Rlimits[r.Name]; known && c.lost.has(profiles.WeakRlimits) && hard > own {
			soft, hard, source = min(soft, own), own, fromHost
		}
		why := ""
		if r.Name == "nproc" && source == fromSafeRun {
			why = "processes and threads of one user, should the control group not hold; twice its limit, so that it is asked and counted first"
		}
		if r.Name == "core" && soft == 0 && c.in.Host.CoreHandler && c.mayHaveCore(1) {
			soft, hard, source = 1, max(hard, 1), fromHost
			why = "one byte is no core dump either, and unlike 0 keeps the kernel from starting the host's handler"
		}
		c.oci.Process.Rlimits = append(c.oci.Process.Rlimits, specs.POSIXRlimit{
			Type: "RLIMIT_" + strings.ToUpper(r.Name), Soft: soft, Hard: hard,
		})
		c.decide(Decision{Setting: "rlimit " + r.Name, Value: fmt.Sprintf("%d:%d", soft, hard), Source: source, Why: why})
	}
	return nil
}

// mayHaveCore says whether the launcher can set this limit, which without
// CAP_SYS_RESOURCE is bounded by its own (setrlimit(2)).
func (c *compiler) mayHaveCore(limit uint64) bool {
	own, known := c.in.Host.Rlimits["core"]
	return !known || own >= limit || slices.Contains(c.in.Host.Capabilities, "SYS_RESOURCE")
}

// processesOfUser bounds the processes of each user of the container as well, where
// those ids are the container's alone: the kernel counts by the host's id
// (user.processes, and ucounts since Linux 5.14), and without a user namespace the
// processes of others would count, too.
func (c *compiler) processesOfUser(limits []profiles.Rlimit) []profiles.Rlimit {
	if c.lost.has(profiles.WeakUserNamespace) || c.lost.has(profiles.WeakPidsLimit) ||
		slices.ContainsFunc(limits, func(r profiles.Rlimit) bool { return r.Name == "nproc" }) {
		return limits
	}
	most := 2 * or(c.in.Profile.Resources.Pids, defaultPids)
	if own, known := c.in.Host.Rlimits["nproc"]; known && own < uint64(most) {
		return limits // the launcher's own is smaller, and inherited
	}
	return append(limits, profiles.Rlimit{Name: "nproc", Soft: &most, Hard: &most})
}

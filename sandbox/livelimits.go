package sandbox

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// Stats reads what the sandbox uses.
func (l *Live) Stats() (runc.Counters, error) {
	s, err := l.inside.Stats()
	return s, l.explain(err)
}

// Limits are limits to set; 0 leaves one as it is.
type Limits = ledger.Limits

// SetLimits changes the limits of the running sandbox. Only those that its plan
// has can be changed: where the host could not set one, it cannot now.
func (l *Live) SetLimits(to Limits) error {
	set, missing := limitsFor(l.Plan, to)
	if missing != "" {
		return problem.New("see `safe-run inspect "+l.Name()+"` for what this host cannot limit", "%s was started without a %s limit", l.Name(), missing)
	}
	if most := processesOfUser(l.Plan); most > 0 && set.Pids > most {
		// Only who has CAP_SYS_RESOURCE could raise it for those that run, one by one.
		return problem.New("stop it first, so that its next start has the new limit; while it runs, at most "+strconv.FormatInt(most, 10),
			"%s: a limit of %d processes is above the %d that each of its users may have since its start (RLIMIT_NPROC)", l.Name(), set.Pids, most)
	}
	if err := l.inside.SetLimits(set); err != nil {
		if errors.Is(err, runc.ErrGone) {
			return l.explain(err)
		}
		return problem.New("choose a larger limit, or stop some of its processes first", "%s: %w", l.Name(), err)
	}
	noteLimits(l.Plan, set)
	l.tell(event.Update)
	return l.rewritePlan()
}

// processesOfUser is the limit beside that of the control group; 0: none.
func processesOfUser(plan *spec.Plan) int64 {
	for _, r := range plan.OCI.Process.Rlimits {
		if r.Type == "RLIMIT_NPROC" {
			return int64(min(r.Hard, math.MaxInt64))
		}
	}
	return 0
}

// limitsFor turns limits into those of a plan. One that the plan does not have is
// left out, and named.
func limitsFor(plan *spec.Plan, to Limits) (set runc.Limits, missing string) {
	r := plan.OCI.Linux.Resources
	switch {
	case to.Memory == 0:
	case r.Memory == nil || r.Memory.Limit == nil:
		missing = "memory"
	default:
		set.Memory = to.Memory
	}
	switch {
	case to.MilliCPU == 0:
	case r.CPU == nil || r.CPU.Quota == nil || r.CPU.Period == nil:
		missing = "processor"
	default:
		set.CPUQuota = to.MilliCPU * int64(*r.CPU.Period) / 1000
	}
	switch {
	case to.Pids == 0:
	case r.Pids == nil || r.Pids.Limit == nil:
		missing = "process"
	default:
		set.Pids = to.Pids
	}
	return set, missing
}

// noteLimits makes the plan say what is set now.
func noteLimits(plan *spec.Plan, set runc.Limits) {
	r := plan.OCI.Linux.Resources
	if set.Memory != 0 {
		if r.Memory.Swap != nil {
			*r.Memory.Swap += set.Memory - *r.Memory.Limit
		}
		*r.Memory.Limit, plan.Limits.MemoryBytes = set.Memory, set.Memory
	}
	if set.CPUQuota != 0 {
		*r.CPU.Quota = set.CPUQuota
	}
	if set.Pids != 0 {
		*r.Pids.Limit, plan.Limits.Pids = set.Pids, set.Pids
	}
}

// rewritePlan replaces what is kept of the plan.
func (l *Live) rewritePlan() error {
	dir := l.store.Dir(l.record.ID)
	next, err := os.MkdirTemp(dir, "plan-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(next)
	if err := keepPlan(next, l.Plan, l.Plan.Network.Publish); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(next, planFile), filepath.Join(dir, planFile)); err != nil {
		return err
	}
	book, err := ledger.Open("")
	if err == nil {
		err = KeepPlan(book, l.record.ID, l.Plan, l.Plan.Network.Publish)
	}
	if errors.Is(err, ledger.ErrNotFound) {
		return nil // it runs in the foreground
	}
	return err
}

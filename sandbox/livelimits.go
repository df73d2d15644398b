package sandbox

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/runc"
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
	r := l.Plan.OCI.Linux.Resources
	set := runc.Limits{Memory: to.Memory, Pids: to.Pids}
	missing := ""
	switch {
	case to.Memory != 0 && (r.Memory == nil || r.Memory.Limit == nil):
		missing = "memory"
	case to.MilliCPU != 0 && (r.CPU == nil || r.CPU.Quota == nil || r.CPU.Period == nil):
		missing = "processor"
	case to.Pids != 0 && (r.Pids == nil || r.Pids.Limit == nil):
		missing = "process"
	}
	if missing != "" {
		return problem.New("see `safe-run inspect "+l.Name()+"` for what this host cannot limit", "%s was started without a %s limit", l.Name(), missing)
	}
	if to.MilliCPU != 0 {
		set.CPUQuota = to.MilliCPU * int64(*r.CPU.Period) / 1000
	}
	if err := l.inside.SetLimits(set); err != nil {
		if errors.Is(err, runc.ErrGone) {
			return l.explain(err)
		}
		return problem.New("choose a larger limit, or stop some of its processes first", "%s: %w", l.Name(), err)
	}
	l.noteLimits(set)
	l.tell(event.Update)
	return l.rewritePlan()
}

// noteLimits makes the plan say what is set now.
func (l *Live) noteLimits(set runc.Limits) {
	r := l.Plan.OCI.Linux.Resources
	if set.Memory != 0 {
		if r.Memory.Swap != nil {
			*r.Memory.Swap += set.Memory - *r.Memory.Limit
		}
		*r.Memory.Limit, l.Plan.Limits.MemoryBytes = set.Memory, set.Memory
	}
	if set.CPUQuota != 0 {
		*r.CPU.Quota = set.CPUQuota
	}
	if set.Pids != 0 {
		*r.Pids.Limit, l.Plan.Limits.Pids = set.Pids, set.Pids
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

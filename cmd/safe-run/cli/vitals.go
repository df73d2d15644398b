package cli

import (
	"time"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec"
)

// vitals is what the checks of a container have come to since it started. It
// only counts: what time it is, is told.
type vitals struct {
	plan   spec.Health
	began  time.Time
	status string
	kept   ledger.Health
}

func newVitals(plan spec.Health, began time.Time) *vitals {
	return &vitals{plan: plan, began: began, status: ledger.HealthStarting}
}

// leastPause is the least time between two checks. Each costs the host the start
// of a process, which no limit of the container counts, and an image may ask for
// a thousand a second.
const leastPause = 100 * time.Millisecond

// pause gives the time until the next check, from the end of the last one or
// the container's start.
func (v *vitals) pause(now time.Time) time.Duration {
	if v.forgiving(now) {
		return max(v.plan.StartInterval, leastPause)
	}
	return max(v.plan.Interval, leastPause)
}

// forgiving says whether a check that began at a time may fail: the container
// has never passed one, and is still allowed to start.
func (v *vitals) forgiving(at time.Time) bool {
	return v.status == ledger.HealthStarting && at.Sub(v.began) < v.plan.StartPeriod
}

// count takes a check in, and says whether the health is another now.
func (v *vitals) count(c ledger.Check) (changed bool) {
	was := v.status
	v.kept.Log = append(v.kept.Log, c)
	if over := len(v.kept.Log) - ledger.MaxChecks; over > 0 {
		v.kept.Log = append(v.kept.Log[:0], v.kept.Log[over:]...) // in place: it never grows
	}
	switch {
	case c.ExitCode == 0:
		v.kept.FailingStreak, v.status = 0, ledger.HealthHealthy
	case !v.forgiving(c.Start):
		v.kept.FailingStreak++
		if v.kept.FailingStreak >= v.plan.Retries {
			v.status = ledger.HealthUnhealthy
		}
	}
	return v.status != was
}

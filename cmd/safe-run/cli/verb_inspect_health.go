package cli

import (
	"time"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec"
)

// inspectedHealth is what checks have come to, as docker's API has it.
type inspectedHealth struct {
	Status        string
	FailingStreak int
	Log           []inspectedResult
}

type inspectedResult struct {
	Start, End time.Time
	ExitCode   int
	Output     string
}

// inspectedCheck is how a container is checked; times are in nanoseconds.
type inspectedCheck struct {
	Test                                          []string
	Interval, Timeout, StartPeriod, StartInterval time.Duration
	Retries                                       int
}

func checkOf(h *spec.Health) *inspectedCheck {
	if h == nil {
		return nil
	}
	return &inspectedCheck{
		Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries,
	}
}

// addChecks adds the last checks of a container that has any.
func (i *inspection) addChecks(h ledger.Health) {
	to := i.State.Health
	if to == nil {
		return
	}
	to.FailingStreak = h.FailingStreak
	for _, c := range h.Log {
		to.Log = append(to.Log, inspectedResult(c))
	}
}

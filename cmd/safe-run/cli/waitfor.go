package cli

import (
	"slices"
	"strings"
	"time"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/problem"
)

// conditions are what podman's wait can wait for, as far as there is such a
// thing here.
var conditions = []string{
	string(ledger.Running), string(ledger.Paused), string(ledger.Exited), ledger.HealthHealthy, ledger.HealthUnhealthy,
}

func checkCondition(condition string) error {
	if condition == "" || slices.Contains(conditions, condition) {
		return nil
	}
	return problem.New("write one of "+strings.Join(conditions, ", "), "--condition: %.60q is none", condition)
}

// watchEvery is the time between two looks at a container that is waited for.
const watchEvery = 100 * time.Millisecond

// waitFor waits until a container is in a condition. The code is that of one
// that has ended, and -1, as podman's, of one that has not.
func waitFor(ref, condition string) (int, error) {
	t, err := locate(ref)
	if err != nil {
		return 0, err
	}
	if t.foreground {
		return 0, problem.New("start it with -d", "%s runs in the foreground: it can only be waited for without --condition", t.Name)
	}
	healthy := condition == ledger.HealthHealthy || condition == ledger.HealthUnhealthy
	for {
		switch {
		case string(t.state.Status) == condition, healthy && t.state.Status.Active() && t.state.Health == condition:
			if t.state.Status == ledger.Exited {
				return t.state.ExitCode, nil
			}
			return -1, nil
		case healthy && t.state.Status.Active() && t.state.Health == "":
			return 0, problem.New("start it with --health-cmd, or from an image that has one", "%s has no health check", t.Name)
		case t.state.Status == ledger.Exited, t.state.Status == ledger.Dead:
			return 0, problem.New("`safe-run inspect "+t.Name+"` says how it ended", "%s has ended, and is not %s", t.Name, condition)
		}
		time.Sleep(watchEvery)
		if _, t.state, err = t.book.Get(t.ID); err != nil {
			return 0, err
		}
	}
}

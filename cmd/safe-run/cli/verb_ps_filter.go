package cli

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/problem"
)

// psFilter is the values of each key that is asked for.
type psFilter map[string][]string

// psFilters are the keys there are.
var psFilters = []string{"name", "id", "status", "label", "exited", "ancestor", "restart-policy", "health", "volume"}

func parseFilters(filters []string) (psFilter, error) {
	out := psFilter{}
	for _, text := range filters {
		key, value, ok := strings.Cut(text, "=")
		if !ok || value == "" {
			return nil, problem.New("write --filter name=web", "--filter %.60q has no value", text)
		}
		if !slices.Contains(psFilters, key) {
			return nil, problem.New("the keys are "+strings.Join(psFilters, ", "), "--filter: there is no key %.60q", key)
		}
		if _, err := strconv.Atoi(value); key == "exited" && err != nil {
			return nil, problem.New("write an exit code: --filter exited=1", "--filter: %.60q is not an exit code", value)
		}
		statuses := []string{"created", "running", "paused", "restarting", "exited", "dead"}
		if key == "status" && !slices.Contains(statuses, value) {
			return nil, problem.New("write one of "+strings.Join(statuses, ", "), "--filter: there is no status %.60q", value)
		}
		healths := []string{ledger.HealthStarting, ledger.HealthHealthy, ledger.HealthUnhealthy, noHealth}
		if key == "health" && !slices.Contains(healths, value) {
			return nil, problem.New("write one of "+strings.Join(healths, ", "), "--filter: there is no health %.60q", value)
		}
		policies := []string{restartNo, restartOnFailure, restartAlways, restartUnlessStopped}
		if key == "restart-policy" && !slices.Contains(policies, value) {
			return nil, problem.New("write one of "+strings.Join(policies, ", "), "--filter: there is no restart policy %.60q", value)
		}
		out[key] = append(out[key], value)
	}
	return out, nil
}

// noHealth is the health of a container without a check, in filters.
const noHealth = "none"

// match says whether a container is asked for: one value of each key must be
// its, and every label.
func (f psFilter) match(r row) bool {
	for key, values := range f {
		matches := func(value string) bool { return r.matches(key, value) }
		if key == "label" && !slices.ContainsFunc(values, func(v string) bool { return !matches(v) }) {
			continue
		}
		if key == "label" || !slices.ContainsFunc(values, matches) {
			return false
		}
	}
	return true
}

func (r row) matches(key, value string) bool {
	switch key {
	case "name":
		return strings.Contains(r.Name, value)
	case "id":
		return strings.HasPrefix(r.ID, value)
	case "status":
		return string(r.Status) == value
	case "label":
		name, want, valued := strings.Cut(value, "=")
		has, ok := r.Labels[name]
		return ok && (!valued || has == want)
	case "exited":
		code, _ := strconv.Atoi(value) // checked when it was read
		return (r.Status == ledger.Exited || r.Status == ledger.Dead) && r.ExitCode == code
	case "health":
		return r.Health == value || r.Health == "" && value == noHealth
	case "restart-policy":
		return cmp.Or(r.Restart, restartNo) == value && !r.Foreground
	case "volume":
		return slices.Contains(r.Mounts, value)
	case "ancestor":
		image, _, _ := strings.Cut(r.Image, "@")
		return r.Image == value || image == value || image == value+":latest"
	}
	return false
}

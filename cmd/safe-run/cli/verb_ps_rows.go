package cli

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/problem"
)

// row is one container of ps.
type row struct {
	ID      string            `json:"id"`
	Name    string            `json:"name"`
	Image   string            `json:"image"`
	Profile string            `json:"profile"`
	Command string            `json:"command,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	Created time.Time         `json:"created"`
	Status  ledger.Status     `json:"status"`
	// Foreground says that it ends with whoever started it.
	Foreground bool      `json:"foreground,omitempty"`
	Started    time.Time `json:"started,omitzero"`
	Finished   time.Time `json:"finished,omitzero"`
	ExitCode   int       `json:"exitCode"`
	Cause      string    `json:"cause,omitempty"`
	Health     string    `json:"health,omitempty"`
	Restarts   int       `json:"restarts,omitempty"`
	Ports      []string  `json:"ports,omitempty"`
	Damage     string    `json:"damage,omitempty"`
}

// listAll gives the containers of the ledger and those that run in the
// foreground, the newest first; without all, those that run.
func listAll(all bool) ([]row, error) {
	book, err := ledger.Open("")
	if err != nil {
		return nil, err
	}
	kept, err := book.List()
	if err != nil {
		return nil, err
	}
	live, err := sandbox.List(state.DefaultRoot)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(kept))
	rows := make([]row, 0, len(kept)+len(live))
	for _, k := range kept {
		known[k.ID] = true
		if all || k.State.Status.Active() {
			rows = append(rows, keptRow(k))
		}
	}
	for _, l := range live {
		if !known[l.ID] {
			rows = append(rows, liveRow(l))
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return b.Created.Compare(a.Created) })
	return rows, nil
}

func keptRow(k ledger.Listed) row {
	r := row{
		ID: k.ID, Name: k.Name, Image: k.Image, Profile: k.Profile, Command: strings.Join(k.Command, " "), Labels: k.Labels,
		Created: k.Created, Status: k.State.Status, Started: k.State.Started, Finished: k.State.Finished, ExitCode: k.State.ExitCode,
		Cause: k.State.Cause, Health: k.State.Health, Restarts: k.State.Restarts,
	}
	if k.State.Status.Active() {
		r.Ports = k.Ports
	}
	if k.Damage != nil {
		r.Damage = k.Damage.Error()
	}
	return r
}

func liveRow(l sandbox.Info) row {
	return row{
		ID: l.ID, Name: l.Name, Image: l.Image, Profile: l.Profile, Command: l.Command, Created: l.Created, Started: l.Created,
		Status: ledger.Status(l.Status), Ports: l.Ports, Foreground: true,
	}
}

// psFilter is the values of each key that is asked for.
type psFilter map[string][]string

// psFilters are the keys there are.
var psFilters = []string{"name", "id", "status", "label", "exited", "ancestor"}

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
		out[key] = append(out[key], value)
	}
	return out, nil
}

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
	case "ancestor":
		image, _, _ := strings.Cut(r.Image, "@")
		return r.Image == value || image == value || image == value+":latest"
	}
	return false
}

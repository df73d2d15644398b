package cli

import (
	"slices"
	"time"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
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
	Foreground bool `json:"foreground,omitempty"`
	// Pool is the name of the pool that has prepared it.
	Pool     string    `json:"pool,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	ExitCode int       `json:"exitCode"`
	Cause    string    `json:"cause,omitempty"`
	Health   string    `json:"health,omitempty"`
	Restarts int       `json:"restarts,omitempty"`
	// Restart is the policy, and Stopped says that somebody ended it.
	Restart string   `json:"restart,omitempty"`
	Stopped bool     `json:"stopped,omitempty"`
	Ports   []string `json:"ports,omitempty"`
	// Mounts are the names of its volumes.
	Mounts []string `json:"mounts,omitempty"`
	Damage string   `json:"damage,omitempty"`
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
	known := make(map[string]bool, len(kept))
	for _, k := range kept {
		known[k.ID] = true
	}
	live, err := sandbox.ListOthers(state.DefaultRoot, func(id string) bool { return known[id] })
	if err != nil {
		return nil, err
	}
	rows := make([]row, 0, len(kept)+len(live))
	for _, k := range kept {
		if all || k.State.Status.Active() {
			rows = append(rows, keptRow(k))
		}
	}
	for _, l := range live {
		rows = append(rows, liveRow(l))
	}
	slices.SortStableFunc(rows, func(a, b row) int { return b.Created.Compare(a.Created) })
	return rows, nil
}

func keptRow(k ledger.Listed) row {
	r := row{
		ID: k.ID, Name: k.Name, Image: k.Image, Profile: k.Profile, Command: sandbox.CommandText(k.Command), Labels: k.Labels,
		Created: k.Created, Status: k.State.Status, Started: k.State.Started, Finished: k.State.Finished, ExitCode: k.State.ExitCode,
		Cause: k.State.Cause, Health: k.State.Health, Restarts: k.State.Restarts,
	}
	r.Restart, r.Stopped = k.Restart.Policy, k.State.Stopped
	if k.State.Status.Active() {
		r.Ports = k.Ports
	}
	for _, v := range k.Volumes {
		r.Mounts = append(r.Mounts, v.Name)
	}
	if k.Damage != nil {
		r.Damage = k.Damage.Error()
	}
	return r
}

func liveRow(l sandbox.Info) row {
	return row{
		ID: l.ID, Name: l.Name, Image: l.Image, Profile: l.Profile, Command: l.Command, Created: l.Created, Started: l.Created,
		Status: ledger.Status(l.Status), Ports: l.Ports, Mounts: l.Volumes, Foreground: true, Pool: l.Pool,
	}
}

package report

import (
	"encoding/json"
	"io"
	"maps"
	"slices"

	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/severity"
)

// schemaVersion is raised when a member changes its meaning or goes; new members
// come without.
const schemaVersion = 1

// attacksJSON is the battery's JSON: what was tried, what came of it, and the sum.
type attacksJSON struct {
	SchemaVersion int             `json:"schemaVersion"`
	Kind          string          `json:"kind"` // "verify"
	Passed        bool            `json:"passed"`
	Probes        []battery.Probe `json:"probes"`
	Reports       []reportJSON    `json:"reports"`
}

// reportJSON is one run with its sum.
type reportJSON struct {
	battery.Report
	Passed  bool        `json:"passed"`
	Summary summaryJSON `json:"summary"`
	// SingleLayer are the blocked probes that only one layer holds.
	SingleLayer []string `json:"singleLayer"`
	// Layers is how many hold, and who made them.
	Layers depthJSON `json:"layers"`
}

type depthJSON struct {
	// Seen: layers were taken away, and what held then was observed; else the
	// numbers are predicted.
	Seen    bool `json:"seen"`
	Blocked int  `json:"blocked"`
	// Two are held by two layers or more, TwoOfPlan without counting what the host
	// has set and what its kernel lacks; OnePlusHost are those in between.
	Two         int      `json:"two"`
	TwoOfPlan   int      `json:"twoOfPlan"`
	OnePlusHost []string `json:"onePlusHost"`
	// Concluded are layers, each after its probe, that may hold: their error is also
	// that of another one, which could not be taken away. They are not counted.
	Concluded []string `json:"concluded"`
}

type summaryJSON struct {
	Probes   int `json:"probes"`
	Blocked  int `json:"blocked"`
	Allowed  int `json:"allowed"`
	Excepted int `json:"excepted"` // allowed with a reason in the profile
	Absent   int `json:"absent"`
	NotRun   int `json:"notRun"`
	Errors   int `json:"errors"`
	Wrong    int `json:"wrong"` // not as it should be: these fail
}

func (a Attacks) json() any {
	out := attacksJSON{SchemaVersion: schemaVersion, Kind: "verify", Passed: len(a.Reports) > 0, Probes: orEmpty(a.Probes), Reports: []reportJSON{}}
	for _, r := range a.Reports {
		r.Results = orEmpty(r.Results)
		t := count(r.Results)
		out.Reports = append(out.Reports, reportJSON{
			Report: r, Passed: passed(r), SingleLayer: orEmpty(single(r.Results)), Layers: depthOf(r.Results),
			Summary: summaryJSON{t.all, t.blocked, t.allowed, t.excepted, t.absent, t.notRun, t.errors, t.wrong},
		})
		out.Passed = out.Passed && passed(r)
	}
	return out
}

// findingsJSON is the JSON of an audit or of doctor.
type findingsJSON struct {
	SchemaVersion int               `json:"schemaVersion"`
	Kind          string            `json:"kind"` // "audit" or "doctor"
	Subject       string            `json:"subject"`
	Worst         severity.Severity `json:"worst"`
	Summary       verdictsJSON      `json:"summary"`
	Notes         []Note            `json:"notes"`
	Warnings      []string          `json:"warnings"`
	Findings      []audit.Finding   `json:"findings"`
}

type verdictsJSON struct {
	Holds      int `json:"holds"`
	Violated   int `json:"violated"`
	CannotTell int `json:"cannotTell"`
}

func (f Findings) json() any {
	n := f.counts()
	return findingsJSON{
		SchemaVersion: schemaVersion, Kind: f.Kind, Subject: f.Subject, Worst: audit.Worst(f.Findings),
		Summary: verdictsJSON{n[audit.Holds], n[audit.Violated], n[audit.CannotTell]},
		Notes:   orEmpty(f.Notes), Warnings: orEmpty(f.Warnings), Findings: orEmpty(f.Findings),
	}
}

// writeJSON escapes <, > and & too, so that the file can be put into a page.
func writeJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(value)
}

// orEmpty is a list that is written as [] and not as null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

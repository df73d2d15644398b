package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/battery"
)

// Attacks are runs of the battery: one, or several side by side.
type Attacks struct {
	// Probes are those that there are; results of others have only their id.
	Probes  []battery.Probe
	Reports []battery.Report
}

// families are the rows of the battery by the first letter of their ids.
var families = map[string]string{
	"M": "mounts and ways out", "K": "control of the kernel", "X": "interfaces of the kernel", "A": "ways past a filter",
	"N": "network", "F": "/proc and /sys", "D": "devices", "P": "privileges", "R": "resources",
}

func familyOf(id string) string {
	if id == "" {
		return ""
	}
	return id[:1]
}

// probe gives what is known of a probe.
func (a Attacks) probe(id string) battery.Probe {
	for _, p := range a.Probes {
		if p.ID == id {
			return p
		}
	}
	return battery.Probe{ID: id, Title: id}
}

// ids are the probes of the reports, in the order of the battery, and those that
// it does not know after them.
func (a Attacks) ids() []string {
	var there []string
	seen := map[string]bool{}
	for _, r := range a.Reports {
		for _, one := range r.Results {
			if !seen[one.ID] {
				seen[one.ID] = true
				there = append(there, one.ID)
			}
		}
	}
	order := map[string]int{}
	for i, p := range a.Probes {
		order[p.ID] = i + 1
	}
	rank := func(id string) int {
		if n := order[id]; n > 0 {
			return n
		}
		return len(order) + 1
	}
	slices.SortStableFunc(there, func(x, y string) int { return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(x, y)) })
	return there
}

// resultOf finds a probe's result in a report.
func resultOf(r battery.Report, id string) (battery.Result, bool) {
	for _, one := range r.Results {
		if one.ID == id {
			return one, true
		}
	}
	return battery.Result{}, false
}

// nameOf is what a report is called beside others: what differs among them.
func (a Attacks) nameOf(i int) string {
	r := a.Reports[i]
	parts := []string{r.Runtime}
	differs := func(of func(battery.Report) string) bool {
		return slices.ContainsFunc(a.Reports, func(other battery.Report) bool { return of(other) != of(r) })
	}
	if r.Profile != "" && (len(a.Reports) == 1 || differs(func(o battery.Report) string { return o.Profile })) {
		parts = append(parts, r.Profile)
	}
	if differs(func(o battery.Report) string { return o.Where + o.Kernel }) {
		parts = append(parts, r.Kernel)
		if r.Where != "" && r.Where != "host" {
			parts = append(parts, r.Where)
		}
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	if len(parts) == 0 {
		parts = []string{"report " + itoa(i+1)}
	}
	return line(strings.Join(parts, " "))
}

// tally counts what a report comes to.
type tally struct {
	all, blocked, allowed, excepted, absent, notRun, errors, wrong int
}

func count(results []battery.Result) tally {
	t := tally{all: len(results)}
	for _, r := range results {
		switch {
		case r.Verdict == battery.Blocked:
			t.blocked++
		case r.Verdict == battery.Allowed && r.Exception != "":
			t.excepted++
		case r.Verdict == battery.Allowed:
			t.allowed++
		case r.Verdict == battery.Missing:
			t.absent++
		case r.Verdict == battery.NotRun:
			t.notRun++
		default: // an error, and what is no verdict: never a success
			t.errors++
		}
		if r.Wrong != "" {
			t.wrong++
		}
	}
	return t
}

// passed says whether nothing is as it should not be. What did not run to its end
// has not passed.
func passed(r battery.Report) bool {
	t := count(r.Results)
	return t.wrong == 0 && t.allowed == 0 && t.errors == 0 && r.Partial == "" && t.all > 0
}

// held is which layer stopped a probe, as well as it is known.
func held(r battery.Result) string {
	switch {
	case r.Observed != "" && r.Inferred:
		return line(string(r.Observed)) + " (inferred)"
	case r.Observed != "":
		return line(string(r.Observed))
	case len(r.Predicted) > 0 && r.Verdict == battery.Blocked:
		return line(string(r.Predicted[0])) + " (predicted)"
	}
	return ""
}

// refusal is the errno or the signal.
func refusal(r battery.Result) string {
	if r.Signal != "" {
		return line(r.Signal)
	}
	return line(r.Errno)
}

// layersOf are the layers of a probe that were seen to stop it each alone, where
// that was tried, and those that were predicted else.
func layersOf(r battery.Result) []battery.Layer {
	if taken(r) {
		return r.Independent
	}
	return r.Predicted
}

// taken says whether layers were taken away from under a probe.
func taken(r battery.Result) bool { return len(r.Independent)+len(r.Concluded) > 0 || r.Dead != "" }

// single are the ids of blocked probes that only one layer holds.
func single(results []battery.Result) []string {
	var out []string
	for _, r := range results {
		if r.Verdict == battery.Blocked && len(layersOf(r)) == 1 {
			out = append(out, r.ID)
		}
	}
	return out
}

// depthOf counts the layers, and tells those of the plan from what this host
// happens to have: on another one it may be missing.
func depthOf(results []battery.Result) depthJSON {
	d := depthJSON{OnePlusHost: []string{}, Concluded: []string{}}
	for _, r := range results {
		if r.Verdict != battery.Blocked {
			continue
		}
		d.Blocked++
		d.Seen = d.Seen || taken(r)
		for _, l := range r.Concluded {
			d.Concluded = append(d.Concluded, r.ID+": "+string(l))
		}
		all := layersOf(r)
		ours := 0
		for _, l := range all {
			if l.Ours() {
				ours++
			}
		}
		switch {
		case ours > 1:
			d.Two, d.TwoOfPlan = d.Two+1, d.TwoOfPlan+1
		case len(all) > 1:
			d.Two, d.OnePlusHost = d.Two+1, append(d.OnePlusHost, r.ID)
		}
	}
	return d
}

// layers are those that occur in the reports, in the order of the battery.
func layers(reports []battery.Report) []battery.Layer {
	seen := map[battery.Layer]bool{}
	for _, report := range reports {
		for _, r := range report.Results {
			for _, l := range append(append(slices.Clone(r.Predicted), r.Independent...), r.Observed) {
				seen[l] = true
			}
		}
	}
	return slices.DeleteFunc(battery.Layers(), func(l battery.Layer) bool { return !seen[l] })
}

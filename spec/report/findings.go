package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/controls"
	"github.com/safe-run/safe-run/spec/severity"
)

// Findings are what an audit or doctor has found.
type Findings struct {
	// Kind is "audit" or "doctor", Subject what was looked at.
	Kind, Subject string
	Findings      []audit.Finding
	// Notes are facts that are no verdicts, Warnings what was not understood.
	Notes    []Note
	Warnings []string
}

// Note is a fact.
type Note struct {
	Subject string `json:"subject,omitempty"`
	Name    string `json:"name"`
	Value   string `json:"value"`
}

var severityStyles = map[severity.Severity]string{
	severity.Critical: bold + ";" + red, severity.High: red, severity.Medium: yellow,
}

func (f Findings) counts() map[audit.Verdict]int {
	out := map[audit.Verdict]int{}
	for _, one := range f.Findings {
		out[one.Verdict]++
	}
	return out
}

// sorted are the findings, worst first, as they came otherwise.
func (f Findings) sorted() []audit.Finding {
	rank := map[audit.Verdict]int{audit.Violated: 0, audit.CannotTell: 1, audit.Holds: 2}
	out := slices.Clone(f.Findings)
	slices.SortStableFunc(out, func(a, b audit.Finding) int {
		return cmp.Or(cmp.Compare(rank[a.Verdict], rank[b.Verdict]), cmp.Compare(b.Severity, a.Severity))
	})
	return out
}

// words of verdicts: a host is fine or broken, a configuration holds or does not.
func (f Findings) words() (holds, violated, cannot string) {
	if f.Kind == "doctor" {
		return "fine", "to mend", "cannot be told"
	}
	if f.counts()[audit.Holds] == 1 {
		return "holds", "violated", "cannot be told from this"
	}
	return "hold", "violated", "cannot be told from this"
}

func (f Findings) table(p *page) {
	n := f.counts()
	holds, violated, cannot := f.words()
	parts := []string{fmt.Sprintf("%d %s", n[audit.Holds], holds)}
	if n[audit.Violated] > 0 {
		parts = append([]string{fmt.Sprintf("%d %s", n[audit.Violated], violated)}, parts...)
	}
	if n[audit.CannotTell] > 0 {
		parts = append(parts, fmt.Sprintf("%d %s", n[audit.CannotTell], cannot))
	}
	p.say("%s  %s", p.paint(bold, line(f.Kind+": "+f.Subject)), strings.Join(parts, ", "))
	for _, note := range f.Notes {
		p.prose(2, dim, strings.TrimPrefix(note.Subject+": ", ": ")+note.Name+": "+note.Value)
	}
	for _, w := range f.Warnings {
		p.prose(2, yellow, "warning: "+w)
	}
	f.violations(p)
	if !p.look.Verbose {
		f.rest(p)
		return
	}
	for _, verdict := range []audit.Verdict{audit.CannotTell, audit.Holds} {
		title := cannot
		if verdict == audit.Holds {
			title = holds
		}
		var rows [][]cell
		for _, one := range f.sorted() {
			if one.Verdict == verdict {
				rows = append(rows, []cell{{one.Rule, bold}, {one.What + place(one), ""}})
			}
		}
		if len(rows) > 0 {
			p.heading(strings.ToUpper(title[:1]) + title[1:])
			p.rows(2, nil, rows)
		}
	}
}

// violations are what is to be done, each with its reason and next step.
func (f Findings) violations(p *page) {
	for _, one := range f.sorted() {
		if one.Verdict != audit.Violated {
			continue
		}
		style := severityStyles[one.Severity]
		p.say("\n%s  %s%s", p.paint(style, fmt.Sprintf("%-8s", one.Severity)), p.paint(bold, line(one.Rule)), p.paint(dim, requirements(one)))
		p.prose(10, "", one.What+subject(one))
		if at := one.Where.String(); at != "" {
			p.prose(10, dim, "at "+at)
		}
		if one.Why != "" {
			p.prose(10, dim, one.Why)
		}
		if one.Mend != "" {
			p.prose(10, "", "mend: "+one.Mend)
		}
	}
}

// rest names what holds and what is not known, in two lines.
func (f Findings) rest(p *page) {
	holds, _, cannot := f.words()
	for _, part := range []struct {
		verdict audit.Verdict
		title   string
	}{{audit.CannotTell, cannot}, {audit.Holds, holds}} {
		var keys []string
		for _, one := range f.Findings {
			if one.Verdict == part.verdict && !slices.Contains(keys, one.Rule) {
				keys = append(keys, one.Rule)
			}
		}
		if len(keys) > 0 {
			p.say("")
			p.prose(2, dim, part.title+": "+joined(keys, ", "))
		}
	}
}

func subject(one audit.Finding) string {
	if one.Subject == "" {
		return ""
	}
	return " (" + one.Subject + ")"
}

func place(one audit.Finding) string {
	if at := one.Where.String(); at != "" {
		return subject(one) + ", " + at
	}
	return subject(one)
}

// requirements are the standards' numbers in short: CIS 5.22, NIST 4.4.3?.
func requirements(one audit.Finding) string {
	var out []string
	for _, number := range one.Controls {
		c, ok := controls.Of(number)
		if !ok {
			continue
		}
		for _, r := range c.References {
			id := string(r.Standard) + " " + r.ID
			if r.Unverified {
				id += "?"
			}
			if !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	const most = 4
	if len(out) > most {
		out = append(out[:most], "...")
	}
	if len(out) == 0 {
		return ""
	}
	return "  " + strings.Join(out, ", ")
}

package report

import (
	"fmt"

	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/controls"
	"github.com/safe-run/safe-run/spec/sarif"
	"github.com/safe-run/safe-run/spec/severity"
)

type sarifLog = sarif.Log

// levels are SARIF's, which has three, and the scores by which code hosts show
// the same words.
var levels = map[severity.Severity]struct {
	level sarif.Level
	score float64
}{
	severity.Info: {sarif.Note, 0}, severity.Low: {sarif.Note, 3}, severity.Medium: {sarif.Warning, 5.5},
	severity.High: {sarif.Error, 8}, severity.Critical: {sarif.Error, 9.5},
}

// taxonomies adds every standard: its requirements that controls refer to. What
// they say is "this has to do with it".
func taxonomies(run *sarif.Run) {
	for _, s := range controls.Standards {
		t := sarif.Taxonomy{Name: s.Name, Version: s.Version, Organization: s.By,
			Summary: "requirements that controls have to do with, no statement of conformity; " + s.Checked}
		for _, c := range controls.All() {
			for _, r := range c.To(s.Standard) {
				summary := r.Title
				if r.Level != "" {
					summary = r.Level
				}
				t.Taxa = append(t.Taxa, sarif.Taxon{ID: r.ID, Summary: summary})
			}
		}
		run.Taxonomy(t)
	}
}

// relations lead from controls to the standards.
func relations(numbers []int) []sarif.Relation {
	names := map[controls.Standard]string{}
	for _, s := range controls.Standards {
		names[s.Standard] = s.Name
	}
	var out []sarif.Relation
	at := map[[2]string]int{}
	for _, number := range numbers {
		c, _ := controls.Of(number)
		for _, r := range c.References {
			key := [2]string{names[r.Standard], r.ID}
			if i, there := at[key]; there {
				// Two controls lead to one requirement: one of them is enough to verify it.
				out[i].Unverified = out[i].Unverified && r.Unverified
				continue
			}
			at[key] = len(out)
			out = append(out, sarif.Relation{Taxonomy: key[0], Taxon: r.ID, Unverified: r.Unverified})
		}
	}
	return out
}

func (a Attacks) sarif(version string) sarifLog {
	var log sarif.Log
	for i, r := range a.Reports {
		t := count(r.Results)
		run := sarif.New("safe-run verify", version)
		run.Properties = map[string]string{
			"report": a.nameOf(i), "runtime": r.Runtime, "profile": r.Profile, "image": r.Image, "kernel": r.Kernel, "where": r.Where,
			"summary": summary(t), "partial": r.Partial,
		}
		taxonomies(run)
		for _, result := range r.Results {
			probe := a.probe(result.ID)
			level, score := sarif.Warning, 5.5
			if probe.Critical {
				level, score = sarif.Error, 9.5
			}
			help := "the profile should not allow it; a profile that must says so with a reason"
			if probe.Technique != "" {
				help = "what is called: " + probe.Technique + ". " + help
			}
			run.Rule(sarif.Rule{ID: probe.ID, Summary: probe.Title, Help: help, Level: level, Score: score,
				Tags: []string{"security", "container"}, Related: relations(probe.Controls)})
			if one, tell := attackResult(probe, r, result); tell {
				run.Result(one)
			}
		}
		log = append(log, run)
	}
	return log
}

// attackResult is a result worth telling: an attack that succeeds, one that is
// not as it should be, one of which nothing is known.
func attackResult(probe battery.Probe, r battery.Report, result battery.Result) (sarif.Result, bool) {
	one := sarif.Result{
		Rule: probe.ID, Logical: fmt.Sprintf("%s/%s/%s", r.Runtime, r.Profile, probe.ID),
		Properties: map[string]string{"verdict": string(result.Verdict), "errno": result.Errno, "layerObserved": string(result.Observed), "evidence": result.Detail},
	}
	switch {
	case result.Wrong != "":
		one.Level, one.Message = sarif.Error, probe.Title+": "+result.Wrong
	case result.Verdict == battery.Allowed:
		one.Message = probe.Title + ": the attack succeeds"
		one.Suppressed = result.Exception
	case result.Verdict == battery.Error:
		one.Level, one.Message = sarif.Warning, probe.Title+": no result: "+result.Detail
	default:
		return one, false
	}
	one.Message = line(one.Message)
	return one, true
}

func (f Findings) sarif(version string) sarifLog {
	run := sarif.New("safe-run "+f.Kind, version)
	n := f.counts()
	run.Properties = map[string]string{
		"subject": f.Subject, "holds": itoa(n[audit.Holds]), "violated": itoa(n[audit.Violated]), "cannotTell": itoa(n[audit.CannotTell]),
	}
	taxonomies(run)
	if f.Kind != "doctor" {
		for _, c := range controls.All() {
			run.Rule(sarif.Rule{ID: c.Key, Summary: c.Title, Help: c.Does, Level: sarif.Warning,
				Tags: []string{"security", "container"}, Related: relations([]int{c.Number})})
		}
	}
	for _, one := range f.Findings {
		level := levels[one.Severity]
		run.Rule(sarif.Rule{ID: one.Rule, Summary: one.Title, Help: one.Why, Level: level.level, Score: level.score,
			Tags: []string{"security", "container"}, Related: relations(one.Controls)})
		if one.Verdict != audit.Violated {
			continue
		}
		message := one.What
		if one.Mend != "" {
			message += "; " + one.Mend
		}
		logical := one.Where.Path
		if one.Subject != "" {
			logical = one.Subject + ": " + logical
		}
		run.Result(sarif.Result{Rule: one.Rule, Level: level.level, Message: line(message), URI: one.Where.Source,
			Line: one.Where.Line, Column: one.Where.Column, Logical: logical, Properties: map[string]string{"severity": one.Severity.String()}})
	}
	return sarif.Log{run}
}

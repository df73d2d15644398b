package result

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Contestant is one way to do something, and how long it took.
type Contestant struct {
	Name string `json:"name"`
	What string `json:"what"`
	// Ran is its command line.
	Ran []string `json:"ran,omitempty"`
	// Seconds are the measurements, in their order.
	Seconds []float64 `json:"seconds"`
	// Peak is the largest resident set of it and of what it waited for, in bytes; 0
	// where it was not looked at.
	Peak int64 `json:"peak,omitempty"`
	// Without says why it was not measured.
	Without string `json:"without,omitempty"`
}

// Target is a promise: the median of Of is at most Most times that of To; without
// To, at most Most seconds.
type Target struct {
	Of   string  `json:"of"`
	To   string  `json:"to,omitempty"`
	Most float64 `json:"most"`
	// Why is why it is not kept, for when it is not.
	Why string `json:"-"`
	// Got is what was measured; nil where one of the two was not.
	Got *Ratio `json:"got,omitempty"`
}

// Kept says whether it is kept; not measured is not kept.
func (t Target) Kept() bool { return t.Got != nil && t.Got.Value <= t.Most }

// Scene is one thing that is done by several contestants in turns.
type Scene struct {
	Name        string        `json:"name"`
	Title       string        `json:"title"`
	Note        string        `json:"note,omitempty"`
	Contestants []*Contestant `json:"contestants"`
	Targets     []*Target     `json:"targets"`
}

// Judge fills in what the targets got.
func (s *Scene) Judge() {
	for _, t := range s.Targets {
		of, to := s.of(t.Of), s.of(t.To)
		switch {
		case of == nil || len(of.Seconds) == 0:
		case t.To == "":
			m := Median(of.Seconds)
			t.Got = &Ratio{Value: m, Low: Quantile(of.Seconds, 0.025), High: Quantile(of.Seconds, 0.975)}
		case to != nil && len(to.Seconds) > 0:
			t.Got = new(RatioOf(of.Seconds, to.Seconds))
		}
	}
}

func (s *Scene) of(name string) *Contestant {
	for _, c := range s.Contestants {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Machine is where it was measured.
type Machine struct {
	Kernel     string            `json:"kernel"`
	Processors int               `json:"processors"`
	Model      string            `json:"model"`
	Cgroup     string            `json:"cgroup"`
	Versions   map[string]string `json:"versions"`
}

// Run is all that one run of the bench found.
type Run struct {
	Date    time.Time `json:"date"`
	Machine Machine   `json:"machine"`
	Rounds  int       `json:"rounds"`
	Scenes  []*Scene  `json:"scenes"`
	// Costs are counted once, not timed.
	Costs []*Cost `json:"costs,omitempty"`
	// Specs are the OCI configurations that were run, by what ran them.
	Specs map[string]json.RawMessage `json:"specs,omitempty"`
}

// Broken are the promises that are not kept.
func (r *Run) Broken() []string {
	var all []string
	for _, s := range r.Scenes {
		for _, t := range s.Targets {
			if !t.Kept() {
				all = append(all, s.Name+": "+t.text())
			}
		}
	}
	return all
}

func (t *Target) text() string {
	what := t.Of
	unit := ""
	if t.To != "" {
		what += " to " + t.To
	} else {
		unit = " ms"
	}
	scale := 1.0
	if t.To == "" {
		scale = 1000
	}
	if t.Got == nil {
		return fmt.Sprintf("%s: promised at most %.2f%s, not measured", what, scale*t.Most, unit)
	}
	word := "kept"
	if !t.Kept() {
		word = "BROKEN"
	}
	return fmt.Sprintf("%s: %.2f%s (%.2f to %.2f), promised at most %.2f%s: %s",
		what, scale*t.Got.Value, unit, scale*t.Got.Low, scale*t.Got.High, scale*t.Most, unit, word)
}

// Table writes a scene for people.
func (s *Scene) Table(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n", s.Title)
	for _, c := range s.Contestants {
		if c.Without != "" {
			fmt.Fprintf(w, "  %-34s not measured: %s\n", c.Name, c.Without)
			continue
		}
		peak := ""
		if c.Peak > 0 {
			peak = fmt.Sprintf("%5.1f MiB", float64(c.Peak)/(1<<20))
		}
		fmt.Fprintf(w, "  %-34s %8.1f ms  p95 %8.1f ms  %9s  %s\n", c.Name, 1000*Median(c.Seconds), 1000*Quantile(c.Seconds, 0.95), peak, c.What)
	}
	for _, t := range s.Targets {
		fmt.Fprintf(w, "  %s\n", t.text())
	}
}

// compared is what the figures are of.
const compared = "All of safe-run's runs have its full hardening: user namespace, filter, Landlock, control groups with limits. runc, crun and libcontainer alone get the plan " +
	"that safe-run compiles, as an OCI bundle, so that namespaces, mounts, limits and masks are the same; what safe-run does beside that (the root's own layer and idmapped mount, sysctls of the " +
	"container's namespaces, Landlock, the warden) they do not. \"Docker's filter\" is the bundle with Docker's default filter in the place of the plan's. Docker and Podman run with their defaults, " +
	"an image of one layer and no network; dockerd runs already, with a place of its own. crun runs where the version 2 part of hybrid control groups is not mounted, which it refuses. bwrap makes namespaces and mounts alone. " +
	"The bench has a mount namespace of its own for all of them. Peak memory is the largest resident set of the command and of what it waited for. " +
	"Each command line, and the OCI configurations, are in performance.json.\n\n"

// Markdown writes everything for docs.
func (r *Run) Markdown(w io.Writer) {
	fmt.Fprintf(w, "Measured on %s: Linux %s, %d processors (%s), %s; up to %d rounds a scene, in each of which every contestant runs once, in another order. Medians, with the 95th percentile; ratios of medians with the interval that holds 95 of 100 of them when the measurements are drawn again.\n\n",
		r.Date.Format("2006-01-02"), r.Machine.Kernel, r.Machine.Processors, r.Machine.Model, r.Machine.Cgroup, r.Rounds)
	fmt.Fprintln(w, "| promise | at most | measured | |\n|---|---|---|---|")
	for _, s := range r.Scenes {
		for _, t := range s.Targets {
			fmt.Fprintf(w, "| %s: %s |\n", s.Name, t.row())
		}
	}
	r.markdownOfBroken(w)
	for _, s := range r.Scenes {
		note := ""
		if s.Note != "" {
			note = s.Note + "\n\n"
		}
		fmt.Fprintf(w, "\n## %s\n\n%s| | median | p95 | peak memory | |\n|---|---|---|---|---|\n", s.Title, note)
		for _, c := range s.Contestants {
			if c.Without != "" {
				fmt.Fprintf(w, "| %s | not measured | | | %s |\n", c.Name, c.Without)
				continue
			}
			peak := ""
			if c.Peak > 0 {
				peak = fmt.Sprintf("%.1f MiB", float64(c.Peak)/(1<<20))
			}
			fmt.Fprintf(w, "| %s | %.1f ms | %.1f ms | %s | %s |\n", c.Name, 1000*Median(c.Seconds), 1000*Quantile(c.Seconds, 0.95), peak, c.What)
		}
	}
	r.markdownOfCosts(w)
	fmt.Fprintf(w, "\n## What was compared\n\n"+compared)
	for _, name := range sortedKeys(r.Machine.Versions) {
		fmt.Fprintf(w, "- %s: %s\n", name, r.Machine.Versions[name])
	}
}

// markdownOfBroken says of each promise that is broken what is known of it.
func (r *Run) markdownOfBroken(w io.Writer) {
	fmt.Fprint(w, "\n## What falls short, and why\n\n")
	if len(r.Broken()) == 0 {
		fmt.Fprintln(w, "All promises are kept.")
	}
	for _, s := range r.Scenes {
		for _, t := range s.Targets {
			if !t.Kept() {
				fmt.Fprintf(w, "- %s: %s\n", s.Name, strings.TrimSpace(t.text()+". "+t.reason()))
			}
		}
	}
}

// reason is why a promise is broken; an interval around the bound says that it may
// not be.
func (t *Target) reason() string {
	if t.Got != nil && t.Got.Low <= t.Most {
		return strings.TrimSpace("The interval holds the bound: another run may keep it. " + t.Why)
	}
	return t.Why
}

// row is the target's line of the table, without its ends.
func (t *Target) row() string {
	most, got, word := fmt.Sprintf("%.2f", t.Most), "not measured", ""
	what := t.Of + ", to " + t.To
	if t.To == "" {
		what, most = t.Of, fmt.Sprintf("%.0f ms", 1000*t.Most)
	}
	if t.Got != nil {
		got, word = fmt.Sprintf("%.2f (%.2f to %.2f)", t.Got.Value, t.Got.Low, t.Got.High), "kept"
		if t.To == "" {
			got = fmt.Sprintf("%.2f ms", 1000*t.Got.Value)
		}
		if !t.Kept() {
			word = "**broken**"
		}
	}
	return strings.Join([]string{what, most, got, word}, " | ")
}

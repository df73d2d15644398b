// Package audit says what is wrong with a container image itself: who it runs
// as, what it carries that it should not, and how it was made. It looks at the
// config and at every layer, and merges the layers as they would be mounted.
//
// The ids of the CIS Docker Benchmark are those of section 4 of version 1.6.
// Nothing here makes an image compliant with it: a part of its controls cannot
// be seen in an image.
package audit

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
)

// Input is the image to look at.
type Input struct {
	Reference string
	Pinned    bool   // the reference has a digest
	Tag       string // "latest" when the reference says so or has no tag, else ""
	Config    *v1.ConfigFile
	// Layers open the uncompressed tars, lowest first.
	Layers []func() (io.ReadCloser, error)
	Now    time.Time // when the releases' ends are compared
	Limits bounds.Limits
}

// Finding is one thing that is wrong, or that should be known.
type Finding struct {
	ID       string   `json:"id"` // of the rule, as in "SR-IMG-001"
	Title    string   `json:"title"`
	Severity Severity `json:"severity"`
	CIS      string   `json:"cis,omitempty"` // "4.1"; empty when the benchmark has no such control
	Where    Where    `json:"where"`
	Detail   string   `json:"detail"`
	Mend     string   `json:"mend"` // what to do about it
}

// Where is a place in an image: a file, or a field of the config.
type Where struct {
	Path    string `json:"path,omitempty"`    // in the image, without a leading slash
	Layer   int    `json:"layer,omitempty"`   // from 1, the lowest; 0 when it is of no layer
	History string `json:"history,omitempty"` // what made the layer, with secrets masked
	Field   string `json:"field,omitempty"`   // of the config: "config.User", "history[3]"
}

// String shows the place without the line that made it.
func (w Where) String() string {
	switch {
	case w.Path != "" && w.Layer > 0:
		return fmt.Sprintf("/%s (layer %d)", w.Path, w.Layer)
	case w.Path != "":
		return "/" + w.Path
	case w.Layer > 0:
		return fmt.Sprintf("%s (layer %d)", w.Field, w.Layer)
	}
	return w.Field
}

// maxPerRule bounds the findings of one rule. One more says how many there
// are: the first hundred of a thousand tell enough, and the memory is bounded.
const maxPerRule = 100

// auditor collects findings.
type auditor struct {
	in       Input
	config   v1.ConfigFile
	made     []string // by layer: the line of the history that made it
	scan     *scan
	user     account
	findings []Finding
	count    map[string]int
	told     map[string]bool   // variables whose secrets are told already
	lines    map[string]string // of the history, as they are shown
}

// Run looks at the image. The findings are in the order of their severity, and
// the same image gives the same findings.
func Run(ctx context.Context, in Input) ([]Finding, error) {
	if in.Limits == (bounds.Limits{}) {
		in.Limits = bounds.Default
	}
	a := &auditor{in: in, count: map[string]int{}, lines: map[string]string{}}
	if in.Config != nil {
		a.config = *in.Config
	}
	if len(in.Layers) > in.Limits.Layers {
		return nil, bounds.Over("", "%d layers, more than %d", len(in.Layers), in.Limits.Layers)
	}
	a.made = madeBy(a.config.History, len(in.Layers))
	scanned, err := scanLayers(ctx, in)
	if err != nil {
		return nil, err
	}
	a.scan = scanned
	scanned.tree.budget.visits = 0 // from here on they are of the checks
	a.user = findAccount(a.config.Config.User, scanned.text("etc/passwd"))
	for _, check := range checks {
		check(a)
	}
	if err := scanned.tree.budget.spent(); err != nil {
		return nil, err // what the checks could not find may be there
	}
	a.overflow()
	sortFindings(a.findings)
	return a.findings, nil
}

// checks are what is looked at. Their order does not matter.
var checks = []func(*auditor){
	(*auditor).checkUser, (*auditor).checkReference, (*auditor).checkHealth, (*auditor).checkPorts,
	(*auditor).checkVolumes, (*auditor).checkEnvironment, (*auditor).checkPath, (*auditor).checkHistory,
	(*auditor).checkFiles, (*auditor).checkTools, (*auditor).checkProgram, (*auditor).checkSecrets,
	(*auditor).checkPasswords, (*auditor).checkRelease, (*auditor).checkCoverage,
}

// found adds a finding of a rule.
func (a *auditor) found(id string, severity Severity, where Where, detail string) {
	if a.count[id]++; a.count[id] > maxPerRule {
		return
	}
	rule := ruleOf(id)
	if where.Layer > 0 && where.History == "" {
		where.History = a.made[where.Layer-1]
	}
	a.findings = append(a.findings, Finding{
		ID: id, Title: rule.Title, Severity: severity, CIS: rule.CIS, Mend: rule.Mend,
		Where: Where{
			Path: shown(where.Path), Layer: where.Layer, History: a.shownLine(where.History), Field: shown(where.Field),
		},
		Detail: shown(detail),
	})
}

// shownLine is the same line again and again: all files of a layer have it.
func (a *auditor) shownLine(line string) string {
	if _, there := a.lines[line]; !there {
		a.lines[line] = shownLine(line)
	}
	return a.lines[line]
}

// overflow says how many findings were left out.
func (a *auditor) overflow() {
	for _, rule := range Rules {
		if n := a.count[rule.ID]; n > maxPerRule {
			a.count[rule.ID] = 0
			a.found(rule.ID, rule.Severity, Where{Field: "layers"},
				fmt.Sprintf("%d more of these were found and are not shown one by one", n-maxPerRule))
		}
	}
}

func sortFindings(all []Finding) {
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.ID, b.ID),
			cmp.Compare(a.Where.Path, b.Where.Path), cmp.Compare(a.Where.Layer, b.Where.Layer),
			cmp.Compare(a.Where.Field, b.Where.Field), cmp.Compare(a.Detail, b.Detail),
		)
	})
}

// madeBy finds the line of the history for each layer. A history that does not
// fit the layers names none: a wrong line is worse than no line.
func madeBy(history []v1.History, layers int) []string {
	var lines []string
	for _, h := range history {
		if !h.EmptyLayer && len(lines) <= layers {
			lines = append(lines, strings.TrimSpace(h.CreatedBy))
		}
	}
	if len(lines) != layers {
		return make([]string, layers)
	}
	return lines
}

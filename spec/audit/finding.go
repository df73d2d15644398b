// Package audit judges a configuration by the control catalogue, without running
// it. Each kind of input (a profile, an OCI bundle, a Kubernetes manifest, a
// docker command line) is read by a package of its own into Facts; Judge is one
// for all of them. What an input does not say is "cannot tell", never "holds".
package audit

import (
	"fmt"
	"strings"

	"github.com/safe-run/safe-run/spec/severity"
)

// Verdict is what a control comes to.
type Verdict string

// The verdicts.
const (
	Holds      Verdict = "holds"
	Violated   Verdict = "violated"
	CannotTell Verdict = "cannot-tell"
)

// Place is where something is said.
type Place struct {
	// Source is the file, as it was named; empty where there is none.
	Source string `json:"source,omitempty"`
	// Line and Column begin with 1; 0 is unknown.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// Path is the setting: "spec.containers[0].securityContext.privileged".
	Path string `json:"path,omitempty"`
}

// String is file:line:column, or as much of it as there is, and the setting.
func (p Place) String() string {
	var out strings.Builder
	out.WriteString(p.Source)
	if p.Line > 0 {
		fmt.Fprintf(&out, ":%d", p.Line)
		if p.Column > 0 {
			fmt.Fprintf(&out, ":%d", p.Column)
		}
	}
	if p.Path != "" {
		if out.Len() > 0 {
			out.WriteString(" ")
		}
		out.WriteString(p.Path)
	}
	return out.String()
}

// Finding is one control's verdict on one container, or one check's on a host.
type Finding struct {
	// Rule is a control's key, or a check's id; Title says it in words.
	Rule  string `json:"rule"`
	Title string `json:"title"`
	// Controls are numbers of package controls.
	Controls []int   `json:"controls"`
	Verdict  Verdict `json:"verdict"`
	// Severity of what is violated; none otherwise.
	Severity severity.Severity `json:"severity"`
	// Subject is the container, of an input that has several: "Pod/web, container app".
	Subject string `json:"subject,omitempty"`
	Where   Place  `json:"where,omitzero"`
	// What was found, Why it matters, and how to Mend it: the next step.
	What string `json:"what"`
	Why  string `json:"why,omitempty"`
	Mend string `json:"mend,omitempty"`
}

// Worst is the highest severity among what is violated.
func Worst(findings []Finding) severity.Severity {
	worst := severity.None
	for _, f := range findings {
		if f.Verdict == Violated {
			worst = max(worst, f.Severity)
		}
	}
	return worst
}

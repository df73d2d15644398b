package audit

import "github.com/safe-run/safe-run/spec/severity"

// Severity is how bad a finding is. They can be compared.
type Severity = severity.Severity

// The severities, from none to worst. None is what no findings have.
const (
	None     = severity.None
	Info     = severity.Info
	Low      = severity.Low
	Medium   = severity.Medium
	High     = severity.High
	Critical = severity.Critical
)

// ParseSeverity reads the name of a severity, none among them.
func ParseSeverity(text string) (Severity, error) { return severity.Parse(text) }

// Worst is the highest severity of the findings; None when there are none.
func Worst(findings []Finding) Severity {
	worst := None
	for _, f := range findings {
		worst = max(worst, f.Severity)
	}
	return worst
}

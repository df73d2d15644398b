package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/problem"
)

// Severity is how bad a finding is. They can be compared.
type Severity int

// The severities, from none to worst. None is what no findings have.
const (
	None Severity = iota
	Info
	Low
	Medium
	High
	Critical
)

var severities = []string{"none", "info", "low", "medium", "high", "critical"}

// String is the severity's name in lower case.
func (s Severity) String() string {
	if s < None || s > Critical {
		return fmt.Sprintf("severity %d", int(s))
	}
	return severities[s]
}

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Severity) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSeverity(string(text))
	return err
}

// ParseSeverity reads the name of a severity, none among them.
func ParseSeverity(text string) (Severity, error) {
	if at := slices.Index(severities, strings.ToLower(text)); at >= 0 {
		return Severity(at), nil
	}
	return None, problem.New("it is one of "+strings.Join(severities, ", "), "%q is no severity", clip(text, 40))
}

// Worst is the highest severity of the findings; None when there are none.
func Worst(findings []Finding) Severity {
	worst := None
	for _, f := range findings {
		worst = max(worst, f.Severity)
	}
	return worst
}

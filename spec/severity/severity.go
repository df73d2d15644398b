// Package severity says how bad a finding is, in the words of the field.
package severity

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

var names = []string{"none", "info", "low", "medium", "high", "critical"}

// String is the severity's name in lower case.
func (s Severity) String() string {
	if s < None || s > Critical {
		return fmt.Sprintf("severity %d", int(s))
	}
	return names[s]
}

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Severity) UnmarshalText(text []byte) (err error) {
	*s, err = Parse(string(text))
	return err
}

// Parse reads the name of a severity, none among them.
func Parse(text string) (Severity, error) {
	if at := slices.Index(names, strings.ToLower(text)); at >= 0 {
		return Severity(at), nil
	}
	return None, problem.New("it is one of "+strings.Join(names, ", "), "%.40q is no severity", text)
}

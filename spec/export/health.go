package export

import (
	"fmt"
	"strings"

	"github.com/safe-run/safe-run/profiles"
)

// HealthText writes the check in one line; empty where there is none.
func (s *Subject) HealthText() string {
	h := s.Profile.Health
	var parts []string
	if h.Test != nil {
		parts = append(parts, "test "+string(*h.Test))
	}
	for _, t := range []struct {
		name  string
		value *profiles.Duration
	}{{"interval", h.Interval}, {"timeout", h.Timeout}, {"start period", h.StartPeriod}, {"start interval", h.StartInterval}} {
		if t.value != nil {
			parts = append(parts, t.name+" "+t.value.String())
		}
	}
	if h.Retries != nil {
		parts = append(parts, fmt.Sprintf("retries %d", *h.Retries))
	}
	if said(h.Disabled) {
		parts = append(parts, "disabled")
	}
	return strings.Join(parts, ", ")
}

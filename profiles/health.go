package profiles

import "github.com/safe-run/safe-run/spec/problem"

// Health is the check that says whether a container does its work: a program
// that is run in it again and again, confined as the first one is. What is not
// said is the image's, or docker's default. No check is looser than another.
type Health struct {
	// Test is the program with its arguments as a list, or one text for the
	// container's shell.
	Test *Command `yaml:"test,omitempty" json:"test,omitempty" meet:"neutral"`
	// Interval is the time between two checks: 30s, the default, or 5s.
	Interval *Duration `yaml:"interval,omitempty" json:"interval,omitempty" meet:"neutral"`
	// Timeout is how long a check may take before it has failed: 30s.
	Timeout *Duration `yaml:"timeout,omitempty" json:"timeout,omitempty" meet:"neutral"`
	// StartPeriod is the time after the start in which a check that fails does
	// not count: 0s.
	StartPeriod *Duration `yaml:"startPeriod,omitempty" json:"startPeriod,omitempty" meet:"neutral"`
	// StartInterval takes the place of Interval within StartPeriod: 5s.
	StartInterval *Duration `yaml:"startInterval,omitempty" json:"startInterval,omitempty" meet:"neutral"`
	// Retries is how many checks in a row fail before the container counts as
	// unhealthy: 3.
	Retries *int64 `yaml:"retries,omitempty" json:"retries,omitempty" meet:"neutral"`
	// Disabled runs no check, whatever the image or a profile below says.
	Disabled *bool `yaml:"disabled,omitempty" json:"disabled,omitempty" meet:"neutral"`
}

// The bounds of a check. The least time is docker's; longer than a year is a
// mistake.
const (
	LeastHealthTime Duration = 1e6
	MostHealthTime  Duration = 365 * 24 * 3600e9
	MostRetries              = 1 << 20
)

func (c *checker) health() {
	h := c.p.Health
	if h.Test != nil {
		if err := h.Test.check(); err != nil {
			c.wrap("health.test", err)
		}
	}
	for _, t := range []struct {
		path  string
		value *Duration
		least Duration
	}{
		{"health.interval", h.Interval, LeastHealthTime}, {"health.timeout", h.Timeout, LeastHealthTime},
		{"health.startPeriod", h.StartPeriod, 0}, {"health.startInterval", h.StartInterval, LeastHealthTime},
	} {
		atLeast(c, t.path, t.value, t.least)
		if t.value != nil && *t.value > MostHealthTime {
			c.fail(t.path, "lower it", "%s is more than a year", t.value)
		}
	}
	c.within("health.retries", h.Retries, 1, MostRetries)
}

// disabledAlone refuses a document that says how to check, and not to. A
// profile that is laid over another may well switch off what that one says.
func (d *decoder) disabledAlone(p Profile) {
	if p.Health.Disabled == nil || !*p.Health.Disabled {
		return
	}
	p.Health.Disabled = nil
	if p.Health != (Health{}) {
		d.errs.add(d.origins["health.disabled"], problem.New("remove disabled, or all that is beside it",
			"health: it is disabled, and yet it says how to check"))
	}
}

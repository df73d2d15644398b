package cli

import "fmt"

// healthFlags are the flags of health checks, for TestEveryFlag.
var healthFlags = map[string]struct {
	args string
	got  func(runOptions) any
	want string
}{
	"health-cmd":            {"--health-cmd true", func(o runOptions) any { return fmt.Sprint(*o.Layer.Health.Test, *o.Layer.Health.Disabled) }, `"true"false`},
	"health-interval":       {"--health-interval 1m --health-interval 5s", func(o runOptions) any { return o.Layer.Health.Interval }, "5s"},
	"health-timeout":        {"--health-timeout 5s --health-timeout 0s", func(o runOptions) any { return o.Layer.Health.Timeout == nil }, "true"},
	"health-retries":        {"--health-retries 5", func(o runOptions) any { return *o.Layer.Health.Retries }, "5"},
	"health-start-period":   {"--health-start-period 1m", func(o runOptions) any { return o.Layer.Health.StartPeriod }, "1m0s"},
	"health-start-interval": {"--health-start-interval 100ms", func(o runOptions) any { return o.Layer.Health.StartInterval }, "100ms"},
	"no-healthcheck":        {"--no-healthcheck", func(o runOptions) any { return *o.Layer.Health.Disabled }, "true"},
}

package cli

import (
	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// The flags of health checks are policy: a check is a program that runs.

// healthCmd reads docker's --health-cmd, a text for the container's shell.
func (b *runBuilder) healthCmd(value string) error {
	command, err := profiles.ShellCommand(value)
	if err != nil {
		return err
	}
	b.o.Layer.Health.Test = &command
	b.layer("health.test")
	return nil
}

// healthTime reads a time; zero says nothing, as in docker.
func healthTime(field func(*profiles.Health) **profiles.Duration) func(*runBuilder, string) error {
	return func(b *runBuilder, value string) error {
		d, err := profiles.ParseDuration(value)
		if err != nil {
			return err
		}
		*field(&b.o.Layer.Health) = &d
		if d == 0 {
			*field(&b.o.Layer.Health) = nil
		}
		b.layer("health." + healthKeys[b.flag])
		return nil
	}
}

// healthKeys are the keys of a profile for the flags.
var healthKeys = map[string]string{
	"--health-interval": "interval", "--health-timeout": "timeout",
	"--health-start-period": "startPeriod", "--health-start-interval": "startInterval",
}

func (b *runBuilder) healthRetries(value string) error {
	n, err := parseCount(value, 0)
	if err != nil {
		return err
	}
	b.o.Layer.Health.Retries = &n
	if n == 0 {
		b.o.Layer.Health.Retries = nil
	}
	b.layer("health.retries")
	return nil
}

func (b *runBuilder) noHealthcheck(value string) error {
	on, err := parseBool(value)
	b.o.NoHealth = on
	return err
}

// checkUnwatched refuses to check a container in the foreground: there is nobody
// who could be told. What the image or a profile says is left alone.
func (o runOptions) checkUnwatched() error {
	h := o.Layer.Health
	if h.Disabled = nil; h == (profiles.Health{}) {
		return nil
	}
	return problem.New("add -d, or leave it out", "--health-*: a container in the foreground is not checked")
}

// health checks what the flags of health checks mean together. A check that is
// asked for undoes that a profile has none.
func (b *runBuilder) health() error {
	asked := b.o.Layer.Health != profiles.Health{}
	switch {
	case asked && b.o.NoHealth:
		return problem.New("leave one of them out", "--no-healthcheck runs no check, and --health-* says how to")
	case b.o.NoHealth:
		b.flag = "--no-healthcheck"
		b.o.Layer.Health.Disabled = new(true)
		b.layer("health.disabled")
	case b.o.Layer.Health.Test != nil:
		b.flag = "--health-cmd"
		b.o.Layer.Health.Disabled = new(false)
		b.layer("health.disabled")
	}
	return nil
}

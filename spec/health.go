package spec

import (
	"fmt"
	"slices"
	"time"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// ImageHealth is docker's extension of the image config: how to see whether the
// program does its work. Zero is what is not said.
type ImageHealth struct {
	// Test is empty, NONE, CMD with a program and its arguments, or CMD-SHELL
	// with a text.
	Test          []string      `json:"test,omitempty"`
	Interval      time.Duration `json:"interval,omitempty"`
	Timeout       time.Duration `json:"timeout,omitempty"`
	StartPeriod   time.Duration `json:"startPeriod,omitempty"`
	StartInterval time.Duration `json:"startInterval,omitempty"`
	Retries       int           `json:"retries,omitempty"`
}

// Health is a check that is run in the container again and again.
type Health struct {
	// Test is the check as an image would have it, Args what is run.
	Test []string `json:"test"`
	Args []string `json:"args"`
	// Interval is the time between two checks; within StartPeriod of the
	// container's start it is StartInterval, and what fails does not count.
	Interval      time.Duration `json:"interval"`
	Timeout       time.Duration `json:"timeout"`
	StartPeriod   time.Duration `json:"startPeriod"`
	StartInterval time.Duration `json:"startInterval"`
	// Retries is how many checks in a row fail before it is unhealthy.
	Retries int `json:"retries"`
}

// The kinds of docker's Test, and its defaults.
const (
	testNone  = "NONE"
	testWords = "CMD"
	testShell = "CMD-SHELL"

	defaultHealthInterval      = 30 * time.Second
	defaultHealthTimeout       = 30 * time.Second
	defaultHealthStartInterval = 5 * time.Second
	defaultHealthRetries       = 3
)

// health says how the container is checked: flags before the profile, and the
// profile before the image, each setting by itself as docker does it.
func (c *compiler) health() error {
	p := c.in.Profile.Health
	if or(p.Disabled, false) {
		c.noHealth(c.source("health.disabled"))
		return nil
	}
	p.Disabled = nil
	h, source, err := c.imageHealth()
	if err != nil {
		return err
	}
	if p.Test != nil {
		source = c.source("health.test")
		if text, ok := p.Test.Shell(); ok {
			h.Test = []string{testShell, text}
		} else {
			h.Test = append([]string{testWords}, p.Test.Words()...)
		}
	}
	switch {
	case len(h.Test) == 0 && p == (profiles.Health{}):
		return nil
	case len(h.Test) == 0 || h.Test[0] == testNone:
		c.noHealth(source)
		return nil
	}
	h.Interval = time.Duration(or(p.Interval, profiles.Duration(orZero(h.Interval, defaultHealthInterval))))
	h.Timeout = time.Duration(or(p.Timeout, profiles.Duration(orZero(h.Timeout, defaultHealthTimeout))))
	h.StartPeriod = time.Duration(or(p.StartPeriod, profiles.Duration(h.StartPeriod)))
	h.StartInterval = time.Duration(or(p.StartInterval, profiles.Duration(orZero(h.StartInterval, defaultHealthStartInterval))))
	h.Retries = int(or(p.Retries, int64(orZero(h.Retries, defaultHealthRetries))))
	return c.checkWith(h, source)
}

func (c *compiler) noHealth(source string) {
	c.decide(Decision{Setting: "health check", Value: "none", Source: source})
}

func orZero[T comparable](said, otherwise T) T {
	var zero T
	if said == zero {
		return otherwise
	}
	return said
}

// imageHealth is the image's own check. What is impossible in it is not looked
// at where nothing of it is used.
func (c *compiler) imageHealth() (ImageHealth, string, error) {
	h := c.in.Image.Config.Health
	if h == nil {
		return ImageHealth{}, fromImage, nil
	}
	out, p := *h, c.in.Profile.Health
	wrong := ""
	if p.Test == nil && len(h.Test) > 0 {
		switch kind := h.Test[0]; {
		case kind != testNone && kind != testWords && kind != testShell:
			wrong = fmt.Sprintf("is of the kind %q, which is none", clip(kind))
		case kind != testNone && (len(h.Test) < 2 || h.Test[1] == ""):
			wrong = "has no command"
		}
	}
	for _, t := range []struct {
		name   string
		time   time.Duration
		least  profiles.Duration
		unused bool
	}{
		{"interval", h.Interval, profiles.LeastHealthTime, p.Interval != nil},
		{"timeout", h.Timeout, profiles.LeastHealthTime, p.Timeout != nil},
		{"start period", h.StartPeriod, profiles.LeastHealthTime, p.StartPeriod != nil},
		{"start interval", h.StartInterval, profiles.LeastHealthTime, p.StartInterval != nil},
	} {
		if d := profiles.Duration(t.time); wrong == "" && !t.unused && d != 0 && (d < t.least || d > profiles.MostHealthTime) {
			wrong = "has the impossible " + t.name + " " + t.time.String()
		}
	}
	if wrong == "" && p.Retries == nil && (h.Retries < 0 || h.Retries > profiles.MostRetries) {
		wrong = fmt.Sprintf("cannot fail %d times", h.Retries)
	}
	if wrong != "" {
		return out, "", problem.New("write one of your own with --health-cmd and its like, or leave it out with --no-healthcheck",
			"image %s: its health check %s", c.in.Image.Reference, wrong)
	}
	return out, fromImage, nil
}

// checkWith puts the check into the plan. Its arguments are no decision: they
// may hold secrets.
func (c *compiler) checkWith(h ImageHealth, source string) error {
	args := slices.Clone(h.Test[1:])
	shown := clip(args[0])
	if h.Test[0] == testShell {
		shell := c.in.Image.Config.Shell
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		args = slices.Concat(shell, args)
		shown = clip(shell[0]) + " with a text"
	}
	for _, arg := range args {
		if err := checkString("health check's argument", arg); err != nil {
			return err
		}
	}
	c.plan.Lifecycle.Health = &Health{
		Test: h.Test, Args: args, Interval: h.Interval, Timeout: h.Timeout,
		StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries,
	}
	value := fmt.Sprintf("%s, every %s for %s at most; unhealthy when %d fail in a row", shown, hours(h.Interval), hours(h.Timeout), h.Retries)
	if h.StartPeriod > 0 {
		value += fmt.Sprintf(", after %s to start in with a check every %s", hours(h.StartPeriod), hours(h.StartInterval))
	}
	c.decide(Decision{
		Setting: "health check", Value: value, Source: source,
		Why: "says whether it does its work; run in a container in the background (-d), not in the foreground",
	})
	return nil
}

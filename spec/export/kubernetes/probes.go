package kubernetes

import (
	"time"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/export"
)

// Docker's defaults, which a profile leaves as they are where it says nothing.
const (
	probeInterval      = profiles.Duration(30 * time.Second)
	probeTimeout       = profiles.Duration(30 * time.Second)
	probeStartInterval = profiles.Duration(5 * time.Second)
	probeRetries       = 3
)

// probes are the health check as kubelet makes it: a pod that fails it gets no
// connections, and its container is started again. The profile's own settings
// stand above the image's, one by one.
func (x *exporter) probes() []member {
	h := x.health()
	if h.Test == nil {
		return nil
	}
	command := h.Test.Words()
	if text, ok := h.Test.Shell(); ok {
		command = []string{"/bin/sh", "-c", text}
	}
	exec := object{}.with("command", escaped(command))
	probe := object{}.with("exec", exec).
		with("periodSeconds", atLeastOne(or(h.Interval, probeInterval)), x.from("health.interval")).
		with("timeoutSeconds", atLeastOne(or(h.Timeout, probeTimeout)), x.from("health.timeout")).
		with("failureThreshold", or(h.Retries, probeRetries), x.from("health.retries"))
	all := []member{
		{"livenessProbe", probe, x.from("health.test")},
		{"readinessProbe", probe, ""},
	}
	if start := or(h.StartPeriod, 0); start > 0 {
		period := atLeastOne(or(h.StartInterval, probeStartInterval))
		startup := object{}.with("exec", exec).
			with("periodSeconds", period, x.from("health.startInterval")).
			with("timeoutSeconds", atLeastOne(or(h.Timeout, probeTimeout))).
			with("failureThreshold", (seconds(start)+period-1)/period, x.from("health.startPeriod"))
		all = append(all, member{"startupProbe", startup, ""})
	}
	if x.o.Kind == "Job" || x.o.Kind == "CronJob" {
		all = append(all[:1], all[2:]...) // nothing connects to a job
	}
	return all
}

// health is the check with what the image says where the profile says nothing.
func (x *exporter) health() profiles.Health {
	h, image := x.p.Health, x.in.Image.Health
	if or(h.Disabled, false) {
		return profiles.Health{}
	}
	h.Test = first(h.Test, image.Test)
	h.Interval, h.Timeout = first(h.Interval, image.Interval), first(h.Timeout, image.Timeout)
	h.StartPeriod, h.StartInterval = first(h.StartPeriod, image.StartPeriod), first(h.StartInterval, image.StartInterval)
	h.Retries = first(h.Retries, image.Retries)
	return h
}

func first[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

func atLeastOne(d profiles.Duration) int64 { return max(1, seconds(d)) }

// loseHealth says what probes are not.
func (x *exporter) loseHealth() {
	h := x.health()
	if h.Test == nil {
		if h != (profiles.Health{}) {
			x.lack(export.Loss{
				Setting: "health", Severity: export.Missing,
				Lost: "the profile says how often to check and not how, and the image's own check is not known here: the pod has no probes",
				Do:   "write health.test, or pull the image here with safe-run image pull " + x.in.Image.Reference,
			})
		}
		return
	}
	for _, t := range []struct {
		name  string
		value *profiles.Duration
	}{{"interval", h.Interval}, {"timeout", h.Timeout}, {"startPeriod", h.StartPeriod}, {"startInterval", h.StartInterval}} {
		if t.value != nil && time.Duration(*t.value)%time.Second != 0 {
			x.lack(export.Loss{
				Setting: "health." + t.name, Value: t.value.String(), Severity: export.Different,
				Lost: "probes are timed in whole seconds: it is rounded up", Do: "write whole seconds",
			})
		}
	}
	x.lack(export.Loss{
		Setting: "health.test", Severity: export.Different,
		Lost: "a check that fails health.retries times in a row has the container started again; safe-run only says that it is unhealthy",
		Do:   "delete livenessProbe where that is not wanted; readinessProbe takes it out of the Service",
	})
}

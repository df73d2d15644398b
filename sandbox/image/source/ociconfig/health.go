package ociconfig

import (
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image/exact"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// The most words of a health check, and bytes of all of them.
const (
	maxHealthWords = 1024
	maxHealthBytes = 64 << 10
)

// ReadWhole is Read, with what an image config of docker's has and c has no
// field for.
func ReadWhole(c *v1.ConfigFile, raw []byte) (spec.ImageConfig, error) {
	out, err := Read(c)
	if err != nil || out.Health == nil {
		return out, err
	}
	var more struct {
		Config struct {
			Healthcheck struct{ StartInterval time.Duration }
		} `json:"config"`
	}
	if err := exact.Unmarshal(raw, &more); err != nil {
		return spec.ImageConfig{}, problem.New("", "its config's health check cannot be read: the start interval is no number")
	}
	out.Health.StartInterval = more.Config.Healthcheck.StartInterval
	return out, nil
}

// health takes the check as it is; whether it can be run is seen when it is.
// Only its size matters to whoever keeps it.
func health(h *v1.HealthConfig) (*spec.ImageHealth, error) {
	if h == nil {
		return nil, nil
	}
	if err := smallEnough(h.Test); err != nil {
		return nil, err
	}
	return &spec.ImageHealth{
		Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries,
	}, nil
}

func smallEnough(words []string) error {
	if len(words) > maxHealthWords {
		return problem.New("", "its config's health check has more than %d words", maxHealthWords)
	}
	size := 0
	for _, w := range words {
		if size += len(w); hasNUL(w) {
			return problem.New("", "its config has a NUL character")
		}
	}
	if size > maxHealthBytes {
		return problem.New("", "its config's health check is longer than %d bytes", maxHealthBytes)
	}
	return nil
}

// healthOf writes a check as an OCI image config has it.
func healthOf(h *spec.ImageHealth) *v1.HealthConfig {
	if h == nil {
		return nil
	}
	return &v1.HealthConfig{Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries}
}

package spec

import (
	"fmt"

	"github.com/safe-run/safe-run/profiles"
)

// Sources of decisions beside profiles and flags.
const (
	fromSafeRun = "safe-run" // always so
	fromImage   = "image"
	fromHost    = "host"
	fromRequest = "command line"
)

// decide records one line of the plan's reasoning.
func (c *compiler) decide(d Decision) {
	c.plan.Decisions = append(c.plan.Decisions, d)
}

// source is where the profile's setting at path was written, as "web:12", or
// fromSafeRun when the profile says nothing about it.
func (c *compiler) source(path string) string {
	o := c.in.Profile.Origin(path)
	switch {
	case o.Source == "":
		return fromSafeRun
	case o.Line == 0:
		return o.Source
	}
	return fmt.Sprintf("%s:%d", o.Source, o.Line)
}

// why is the reason written beside the setting at path, or else otherwise.
func (c *compiler) why(path, otherwise string) string {
	if why := c.in.Profile.Origin(path).Why; why != "" {
		return why
	}
	return otherwise
}

// entry is the path of one entry of a list of the profile.
func entry(list, key string) string { return list + "[" + key + "]" }

// or gives what a profile says, or else what safe-run does without being told.
func or[T any](said *T, otherwise T) T {
	if said == nil {
		return otherwise
	}
	return *said
}

// What holds where a profile says nothing: the same as in the built-in profile
// "default", so that a profile that extends nothing is not thereby weaker.
const (
	defaultID                          = 65532
	defaultMemory       profiles.Bytes = 512 << 20
	defaultPids                        = 128
	defaultCPUs                        = profiles.MilliCPU(1000)
	defaultStopSignal                  = "SIGTERM"
	defaultStopTimeout                 = profiles.Duration(10e9)
	defaultTmpfsSize    profiles.Bytes = 16 << 20
	defaultTmpfsInodes                 = 4096
	defaultRootfsSize   profiles.Bytes = 64 << 20
	defaultVolumeSize   profiles.Bytes = 64 << 20
	defaultVolumeInodes                = 65536
)

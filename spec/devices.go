package spec

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec/problem"
)

// devices denies all; libcontainer adds the harmless ones that every program
// expects (null, zero, full, random, urandom, tty, pts).
func (c *compiler) devices() error {
	if devices := c.in.Request.Devices; len(devices) > 0 {
		return problem.New("run programs that need devices outside, or bind mount what they produce",
			"device %s cannot be given to a container", clip(devices[0]))
	}
	c.linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}
	c.decide(Decision{
		Setting: "devices", Value: "null, zero, full, random, urandom, tty, pts", Source: fromSafeRun,
		Why: "no device of the host",
	})
	return nil
}

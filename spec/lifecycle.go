package spec

import (
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// lifecycle says how the first process is run and stopped. The image's stop
// signal wins over the profile's only when the profile names none.
func (c *compiler) lifecycle() error {
	p := c.in.Profile.Process
	l := &c.plan.Lifecycle
	l.Init = or(p.Init, false)
	l.StopTimeout = time.Duration(or(p.StopTimeout, defaultStopTimeout))
	signal, source := or(p.StopSignal, ""), c.source("process.stopSignal")
	if text := c.in.Image.Config.StopSignal; text != "" && c.imageSignalWins() {
		parsed, err := profiles.ParseSignal(text)
		if err != nil {
			return problem.New("choose one with --stop-signal", "image %s: %w", c.in.Image.Reference, err)
		}
		signal, source = parsed, fromImage
	}
	if signal == "" {
		signal, source = defaultStopSignal, fromSafeRun
	}
	l.StopSignal = string(signal)
	if l.Init {
		if err := c.firstProcess(InitPath); err != nil {
			return err
		}
		c.decide(Decision{
			Setting: "init", Value: "on", Source: c.source("process.init"),
			Why: "forwards signals to the program and reaps its orphans",
		})
	}
	if l.Prepared = c.in.Request.Prepared; l.Prepared {
		if err := c.firstProcess(PreparedPath); err != nil {
			return err
		}
	}
	c.decide(Decision{
		Setting: "stop", Value: l.StopSignal + ", after " + l.StopTimeout.String() + " SIGKILL", Source: source,
	})
	return nil
}

// InitPath is where safe-run's own executable is mounted to be the first
// process. It goes by this name, whatever the file is called on the host.
const InitPath = "/.safe-run-init"

// PreparedPath is where it is mounted to wait for the program.
const PreparedPath = "/.safe-run-prepared"

// firstProcess puts safe-run in front of the program. It is mounted read-only:
// what runs inside could otherwise reach the host's file through
// /proc/1/exe (CVE-2019-5736).
func (c *compiler) firstProcess(at string) error {
	self := c.in.Host.Executable
	if self == "" {
		return problem.New("install safe-run as a file that can be found", "the first process cannot be mounted: safe-run does not know its own path")
	}
	c.oci.Mounts = append(c.oci.Mounts, specs.Mount{
		Destination: at, Type: "bind", Source: self,
		Options: []string{"bind", "rprivate", "nosuid", "nodev", "ro"},
	})
	c.plan.Rootfs.FileMounts = append(c.plan.Rootfs.FileMounts, at)
	c.oci.Process.Args = append([]string{at}, c.oci.Process.Args...)
	return nil
}

// imageSignalWins reports whether the image's stop signal is taken: unless a
// flag named one. The image knows its program better than a profile does.
func (c *compiler) imageSignalWins() bool {
	return c.in.Profile.Process.StopSignal == nil || c.in.Profile.Origin("process.stopSignal").Line > 0
}

package spec

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Notify asks for a socket by which the program tells the service manager how
// it is (sd_notify(3)).
type Notify struct {
	// Watchdog is WATCHDOG_USEC, the time in microseconds in which the program
	// is to say that it is alive; empty when nobody waits for it.
	Watchdog string
}

// NotifyPath is where the container has the socket.
const NotifyPath = "/.safe-run-notify"

// notify gives the container a socket that ends at the launcher. The launcher
// makes it, and is the source of the mount when it is there.
func (c *compiler) notify() error {
	n := c.in.Request.Notify
	if n == nil {
		return nil
	}
	c.oci.Mounts = append(c.oci.Mounts, specs.Mount{
		Destination: NotifyPath, Type: "bind", Source: NotifyPath,
		Options: []string{"bind", "rprivate", "nosuid", "nodev", "noexec", "ro"},
	})
	c.plan.Rootfs.FileMounts = append(c.plan.Rootfs.FileMounts, NotifyPath)
	c.plan.Lifecycle.Notify = true
	c.setVariable("NOTIFY_SOCKET", NotifyPath)
	if n.Watchdog != "" {
		c.setVariable("WATCHDOG_USEC", n.Watchdog)
	}
	c.decide(Decision{
		Setting: "notify", Value: NotifyPath, Source: "flag --sdnotify",
		Why: "READY, STOPPING, RELOADING, WATCHDOG and a short STATUS are passed on to the service manager, and nothing else",
	})
	return nil
}

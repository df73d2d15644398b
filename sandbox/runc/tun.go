package runc

import (
	"slices"

	"github.com/opencontainers/cgroups"
	devices "github.com/opencontainers/cgroups/devices/config"
)

// withoutTun takes back what libcontainer allows every container on its own: to
// open /dev/net/tun, should it ever be there. Nothing that a plan has needs it, and
// a tunnel is a network of the container's own making.
func withoutTun(r *cgroups.Resources) {
	r.Devices = slices.DeleteFunc(r.Devices, func(d *devices.Rule) bool {
		return d.Allow && d.Type == devices.CharDevice && d.Major == 10 && d.Minor == 200
	})
}

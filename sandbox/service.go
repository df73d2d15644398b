package sandbox

import (
	"errors"
	"path/filepath"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/sandbox/service"
	"github.com/safe-run/safe-run/spec"
)

// connectService makes the socket by which the program speaks to the service
// manager, when the plan has one, and sees that the descriptors are those that
// the plan speaks of: what a plan does not name is never passed.
func (c *Cmd) connectService(cfg *runc.Config) (err error) {
	if len(c.Sockets) != c.Plan.Lifecycle.Sockets {
		return errors.New("the plan is about other sockets than these")
	}
	if !c.Plan.Lifecycle.Notify {
		return nil
	}
	path := filepath.Join(c.Lease.store.Dir(c.Lease.ID), "notify")
	if c.inside, err = service.Listen(path, c.Notify); err != nil {
		return err
	}
	oci := *cfg.OCI
	oci.Mounts = slices.Clone(oci.Mounts)
	at := slices.IndexFunc(oci.Mounts, func(m specs.Mount) bool { return m.Destination == spec.NotifyPath })
	if at < 0 {
		return errors.New("the plan has no place for the socket to the service manager")
	}
	oci.Mounts[at].Source = path
	cfg.OCI = &oci
	return nil
}

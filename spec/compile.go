package spec

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
)

// ociVersion is the oldest release of the runtime spec that has all a plan
// uses: id mappings of mounts came with it. Runtimes refuse a newer one than
// they know (crun 1.8 does).
const ociVersion = "1.1.0"

// Compile turns a resolved profile, an image's config, a host and a request
// into a plan. The same input gives the same bytes. Errors are for the person
// who runs the container: what does not fit together, or what this host cannot
// enforce and nobody has accepted to go without.
func Compile(in Input) (*Plan, error) {
	if err := profiles.Validate(in.Profile); err != nil {
		return nil, err
	}
	c := &compiler{in: in}
	c.plan = &Plan{
		Profile: in.Profile.Metadata.Name,
		Image:   ImageRef{Reference: in.Image.Reference, Digest: in.Image.Digest},
		OCI: &specs.Spec{
			Version: ociVersion,
			Process: &specs.Process{},
			Root:    &specs.Root{},
			Linux:   &specs.Linux{Resources: &specs.LinuxResources{}},
		},
	}
	c.oci, c.linux = c.plan.OCI, c.plan.OCI.Linux
	// The order is that of the decisions a person reads. What the host cannot
	// do comes early, because later steps leave it out.
	for _, step := range []func() error{
		c.instance, c.image, c.identity, c.degrade, c.namespaces, c.process, c.environment, c.capabilities,
		c.rlimits, c.socketActivation, c.seccomp, c.secondLayers, c.rootfs, c.mounts, c.notify, c.paths, c.resources, c.devices, c.landlock, c.guard, c.network, c.breaks, c.lifecycle,
		c.health,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if err := ValidatePlan(c.plan); err != nil {
		return nil, fmt.Errorf("the compiled plan is not safe, which is a mistake in safe-run: %w", err)
	}
	return c.plan, nil
}

// compiler is a plan on its way.
type compiler struct {
	in    Input
	plan  *Plan
	oci   *specs.Spec
	linux *specs.Linux

	who  identity // the container's user
	lost losses   // what this host cannot do and the profile accepts to miss

	allowed []string // every system call that the profile allows; nil until somebody asks
	inbound bool     // the program must not open connections, see socketActivation
}

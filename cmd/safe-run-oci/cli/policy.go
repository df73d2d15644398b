package cli

import (
	"encoding/json"
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/sandbox/probe"
	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec"
)

// here is where the administrator's files are. Tests move it; nothing that a
// user can set does.
var here = policies.Here

// meet holds a bundle to the profile that applies to it: the spec that it comes
// to, and what it is kept with. When no profile applies the spec is as it was.
func (a *app) meet(oci *specs.Spec) (*specs.Spec, runc.BundleOptions, error) {
	var with runc.BundleOptions
	c, err := here.BundleConfig(policies.OCI)
	if err != nil {
		return nil, with, err
	}
	p, err := here.ForBundle(oci.Annotations[policies.ProfileAnnotation], c.Profile, c.Accept...)
	if err != nil || p == nil {
		return oci, with, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, with, err
	}
	if err := policies.ResolveSources(oci, dir); err != nil {
		return nil, with, err
	}
	host, err := runc.JoinsHost(oci)
	if err != nil {
		return nil, with, err
	}
	met, err := spec.MeetBundle(spec.BundleInput{
		OCI: oci, Profile: *p, Host: probe.Host(), Strip: c.OnConflict == policies.Strip, HostNamespaces: host,
	})
	if err != nil {
		return nil, with, err
	}
	for _, d := range met.Stripped {
		logrus.Infof("profile %s: instead of %s: %s (%s): %s", met.Profile, d.Setting, d.Value, d.Source, d.Why)
	}
	for _, d := range met.Decisions {
		logrus.Debugf("profile %s: %s: %s (%s) %s %s", met.Profile, d.Setting, d.Value, d.Source, d.Why, d.Weakens)
	}
	with.Landlock = met.Landlock
	with.Met, err = json.Marshal(met)
	return met.OCI, with, err
}

// meetExec holds another process of a container to what the first was held to.
func meetExec(container *runc.Bundle, p *specs.Process) (*specs.Process, error) {
	met, err := metOf(container)
	if err != nil || met == nil {
		return p, err
	}
	return met.MeetExec(p)
}

// meetUpdate holds new limits of a container to those of its profile.
func meetUpdate(container *runc.Bundle, r *specs.LinuxResources) error {
	met, err := metOf(container)
	if err != nil || met == nil {
		return err
	}
	return met.MeetUpdate(r)
}

func metOf(container *runc.Bundle) (*spec.Met, error) {
	data, err := container.Met()
	if err != nil || data == nil {
		return nil, err
	}
	met := &spec.Met{}
	if err := json.Unmarshal(data, met); err != nil {
		return nil, fmt.Errorf("what container %s was confined to cannot be read: %w", container.ID(), err)
	}
	return met, nil
}

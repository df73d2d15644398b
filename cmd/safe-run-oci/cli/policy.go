package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/sandbox/probe"
	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// profileAnnotation of a bundle names its profile.
const profileAnnotation = "safe-run.dev/profile"

// meet holds a bundle to the profile that applies to it. met is what later
// execs are held to; nil when no profile applies, and the spec is as it was.
func (a *app) meet(oci *specs.Spec) (*specs.Spec, []byte, error) {
	p, c, err := policy(oci.Annotations[profileAnnotation])
	if err != nil || p == nil {
		return oci, nil, err
	}
	if err := resolveSources(oci); err != nil {
		return nil, nil, err
	}
	host, err := runc.JoinsHost(oci)
	if err != nil {
		return nil, nil, err
	}
	met, err := spec.MeetBundle(spec.BundleInput{
		OCI: oci, Profile: *p, Host: probe.Host(), Strip: c.OnConflict == onConflictStrip, HostNamespaces: host,
	})
	if err != nil {
		return nil, nil, err
	}
	for _, d := range met.Stripped {
		logrus.Infof("profile %s: instead of %s: %s (%s): %s", met.Profile, d.Setting, d.Value, d.Source, d.Why)
	}
	for _, d := range met.Decisions {
		logrus.Debugf("profile %s: %s: %s (%s) %s %s", met.Profile, d.Setting, d.Value, d.Source, d.Why, d.Weakens)
	}
	kept, err := json.Marshal(met)
	return met.OCI, kept, err
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

// policy is the profile that applies: the one that the bundle names, else that
// of oci.yaml, else default where there is a floor, and always within the
// floor. nil when the administrator has written none of them and the bundle
// names none.
func policy(annotation string) (*profiles.Profile, config, error) {
	c, err := readOCIConfig()
	if err != nil {
		return nil, c, err
	}
	floor, err := readFloor()
	if err != nil {
		return nil, c, err
	}
	name, finders := c.Profile, trustedFinders(true)
	if annotation != "" {
		name, finders = annotation, trustedFinders(false)
	}
	if name == "" {
		if floor == nil {
			return nil, c, nil
		}
		name = "default"
	}
	p, err := profiles.Resolve(name, finders)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, c, problem.New("name a built-in profile, or one of "+filepath.Join(etcDir, "profiles"),
			"there is no profile %q", printable(name))
	}
	if err != nil {
		return nil, c, err
	}
	if floor != nil {
		metadata := p.Metadata
		p = profiles.Tighten(p, *floor)
		p.Metadata = metadata
	}
	if p.Metadata.Name == "" {
		p.Metadata.Name = name
	}
	return &p, c, nil
}

// resolveSources follows the symbolic links of what is bind mounted, so that
// what is judged is what is mounted.
func resolveSources(oci *specs.Spec) error {
	for i := range oci.Mounts {
		m := &oci.Mounts[i]
		if m.Type != "bind" && !slices.Contains(m.Options, "bind") && !slices.Contains(m.Options, "rbind") {
			continue
		}
		source, err := filepath.Abs(m.Source)
		if err != nil {
			return err
		}
		m.Source, err = filepath.EvalSymlinks(source)
		if err != nil {
			return fmt.Errorf("mount at %s: %w", printable(m.Destination), err)
		}
	}
	return nil
}

// readFloor gives the administrator's floor; nil where there is none.
func readFloor() (*profiles.Profile, error) {
	name := filepath.Join(etcDir, "floor.yaml")
	if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	floor, err := profiles.ResolveFloor(name, trustedFinders(true))
	if err != nil {
		return nil, err
	}
	return &floor, nil
}

// trustedFinders find what only the administrator can have written. Paths are
// for files of the administrator's to name, not for bundles.
func trustedFinders(paths bool) profiles.Finders {
	var finders profiles.Finders
	if paths {
		finders = append(finders, pathFinder{})
	}
	return append(finders, builtin.Finder{}, directoryFinder{filepath.Join(etcDir, "profiles")})
}

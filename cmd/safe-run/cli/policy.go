package cli

import (
	"errors"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// resolvePolicy gives the policy of a command line: the profile with all that
// it extends, tightened by the administrator's floor, and the flags laid over
// it. Flags may loosen the profile, but not below the floor.
func resolvePolicy(o runOptions) (profiles.Profile, error) {
	floor, err := policies.Here.Floor()
	if err != nil {
		return profiles.Profile{}, err
	}
	p, err := profiles.Resolve(o.Profile, policies.Here.Finder())
	if err != nil {
		return profiles.Profile{}, err
	}
	p = policies.Tightened(p, floor)
	p = dropCapabilities(p, o.CapDrop)
	p = profiles.Layer(p, o.Layer)
	p.Metadata.Name = policies.NameOf(p, o.Profile)
	fillTmpfs(&p)
	if err := checkFlags(p, floor, o); err != nil {
		return profiles.Profile{}, err
	}
	if err := profiles.Validate(p); err != nil {
		return profiles.Profile{}, flagErrors(err)
	}
	if floor == nil {
		return p, nil
	}
	return p, belowFloor(p, *floor)
}

// dropCapabilities takes capabilities away; "ALL" takes every one.
func dropCapabilities(p profiles.Profile, drop []string) profiles.Profile {
	if len(drop) == 0 {
		return p
	}
	all := slices.Contains(drop, "ALL")
	p.Process.Capabilities = slices.DeleteFunc(slices.Clone(p.Process.Capabilities), func(c profiles.Capability) bool {
		return all || slices.Contains(drop, c.Name)
	})
	if p.Process.Capabilities == nil {
		p.Process.Capabilities = []profiles.Capability{}
	}
	return p
}

// A --tmpfs without a size gets that of /tmp in the profile default, and its
// inodes in the same proportion.
const (
	tmpfsSize      = profiles.Bytes(64 << 20)
	bytesPerInode  = 4096
	leastTmpInodes = 1024
)

// fillTmpfs completes the tmpfs that only flags speak of.
func fillTmpfs(p *profiles.Profile) {
	p.Mounts.Tmpfs = slices.Clone(p.Mounts.Tmpfs)
	for i := range p.Mounts.Tmpfs {
		t := &p.Mounts.Tmpfs[i]
		if t.Size == nil {
			t.Size = new(tmpfsSize)
		}
		if t.Inodes == nil {
			t.Inodes = new(max(int64(*t.Size)/bytesPerInode, leastTmpInodes))
		}
	}
}

// checkFlags finds flags that ask for something which the rest of the policy
// leaves without effect.
func checkFlags(p profiles.Profile, floor *profiles.Profile, o runOptions) error {
	if mode := p.Network.Mode; mode != nil && *mode != profiles.NetworkNone {
		return nil
	}
	wants := len(p.Network.Egress) > 0 || len(o.Request.Publish) > 0
	if wants && floor != nil && floor.Network.Mode != nil && *floor.Network.Mode == profiles.NetworkNone {
		return problem.New("leave -p and --egress out, or have the administrator change "+policies.Here.FloorName(),
			"there is no network: the floor allows none (%s)", policies.Here.PlaceOf(*floor, "network.mode"))
	}
	if len(p.Network.Egress) > 0 {
		return problem.New("add --network bridge, or use --profile web",
			"--egress needs a network, and the profile %s has none", p.Metadata.Name)
	}
	return nil
}

// flagErrors lets mistakes that a flag made begin with the flag.
func flagErrors(err error) error {
	var all profiles.Errors
	if errors.As(err, &all) {
		for _, e := range all {
			e.What = strings.TrimPrefix(e.What, "flag ")
		}
	}
	return err
}

// belowFloor names the first flag that loosens more than the floor allows.
func belowFloor(p, floor profiles.Profile) error {
	looser := profiles.Looser(p, floor)
	if len(looser) == 0 {
		return nil
	}
	c := looser[0]
	by := c.Origin.String()
	if !strings.HasPrefix(c.Origin.Source, "flag ") {
		by = p.Origin(c.Path).String()
	}
	limit := c.Old
	if limit == "" {
		limit = "nothing of the kind"
	}
	value := c.New
	if value == "" {
		value = "nothing"
	}
	return problem.New("ask for what the floor allows, or have the administrator change "+policies.Here.FloorName(),
		"%s sets %s to %s, but the floor allows %s (%s)",
		strings.TrimPrefix(by, "flag "), c.Path, value, limit, policies.Here.PlaceOf(floor, c.Path))
}

package policies

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/safe-run/safe-run/profiles"
)

// Resolve gives a profile with all that it extends, tightened by the floor.
func (h Host) Resolve(name string) (profiles.Profile, error) {
	floor, err := h.Floor()
	if err != nil {
		return profiles.Profile{}, err
	}
	p, err := profiles.Resolve(name, h.Finder())
	if err != nil {
		return profiles.Profile{}, err
	}
	p = Tightened(p, floor)
	p.Metadata.Name = NameOf(p, name)
	return p, profiles.Validate(p)
}

// FloorName is where the floor is.
func (h Host) FloorName() string { return filepath.Join(h.Etc, "floor.yaml") }

// Floor gives the administrator's floor; nil where there is none.
func (h Host) Floor() (*profiles.Profile, error) {
	if _, err := os.Lstat(h.FloorName()); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	floor, err := profiles.ResolveFloor(h.FloorName(), h.FloorFinder())
	if err != nil {
		return nil, err
	}
	return &floor, nil
}

// Tightened is p within floor; without a floor it is p.
func Tightened(p profiles.Profile, floor *profiles.Profile) profiles.Profile {
	if floor == nil {
		return p
	}
	metadata := p.Metadata
	p = profiles.Tighten(p, *floor)
	p.Metadata = metadata
	return p
}

// NameOf is what the policy is called in plans.
func NameOf(p profiles.Profile, typed string) string {
	if p.Metadata.Name != "" {
		return p.Metadata.Name
	}
	return typed
}

// PlaceOf is file:line of what floor says about path.
func (h Host) PlaceOf(floor profiles.Profile, path string) string {
	o := floor.Origin(path)
	if o.Source == "" {
		return h.FloorName()
	}
	o.Column = 0
	return o.String()
}

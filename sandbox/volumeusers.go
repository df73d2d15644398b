package sandbox

import (
	"errors"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/sandbox/volume"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// VolumeUser is a container that has a volume, whether it runs or not.
type VolumeUser struct {
	ID, Name string
}

// VolumeUsers gives for each volume of a store the containers that have it:
// those of the ledger, and those that run in the foreground below root.
func VolumeUsers(root string, store *volume.Store) (map[string][]VolumeUser, error) {
	book, err := ledger.Open("")
	if err != nil {
		return nil, err
	}
	kept, err := book.List()
	if err != nil {
		return nil, err
	}
	live, err := records(root, none)
	if err != nil {
		return nil, err
	}
	users := map[string][]VolumeUser{}
	add := func(volume string, u VolumeUser) {
		if !slices.ContainsFunc(users[volume], func(other VolumeUser) bool { return other.ID == u.ID }) {
			users[volume] = append(users[volume], u)
		}
	}
	for _, c := range kept {
		for _, v := range c.Volumes {
			if storeOf(v.Source) == store.Root() {
				add(v.Name, VolumeUser{c.ID, c.Name})
			}
		}
	}
	for _, rec := range live {
		for _, v := range rec.Volumes {
			if v.Store == store.Root() {
				add(v.Name, VolumeUser{rec.ID, rec.Name})
			}
		}
	}
	return users, nil
}

// RemoveVolume removes a volume that no container has, other than except.
func RemoveVolume(root string, store *volume.Store, name, except string) error {
	return removeVolume(root, store, volume.Removal{Name: name}, except)
}

// ForceRemoveVolume does so with a damaged one, too.
func ForceRemoveVolume(root string, store *volume.Store, name string) error {
	return removeVolume(root, store, volume.Removal{Name: name, Force: true}, "")
}

func removeVolume(root string, store *volume.Store, r volume.Removal, except string) error {
	var others []VolumeUser
	find := func() error {
		users, err := VolumeUsers(root, store)
		others = slices.DeleteFunc(users[r.Name], func(u VolumeUser) bool { return u.ID == except })
		return err
	}
	r.Used = func() error {
		if err := find(); err != nil {
			return err
		}
		if len(others) > 0 {
			return volume.ErrInUse
		}
		return nil
	}
	err := store.Remove(r)
	if err == nil {
		emitVolume(event.Destroy, r.Name, nil)
		return nil
	}
	if !errors.Is(err, volume.ErrInUse) {
		return err
	}
	if len(others) == 0 { // it was refused before they were asked for
		if err := find(); err != nil {
			return err
		}
	}
	return inUse(r.Name, others)
}

// inUse names the containers that have a volume.
func inUse(name string, users []VolumeUser) error {
	if len(users) == 0 {
		return problem.New("try again", "volume %s cannot be removed: %w by a container that just starts or ends", name, volume.ErrInUse)
	}
	var names []string
	for _, u := range users {
		names = append(names, u.Name)
	}
	return problem.New("remove the container first: safe-run rm -f "+names[0],
		"volume %s cannot be removed: %w by %s", name, volume.ErrInUse, strings.Join(names, ", "))
}

// CollectVolumes removes what killed processes left of volumes, and the volumes
// that were to go with a container that is gone. It gives the names of those.
func CollectVolumes(root string) ([]string, error) {
	store, err := volume.Open("")
	if err != nil {
		return nil, err
	}
	book, err := ledger.Open("")
	if err != nil {
		return nil, err
	}
	live := &state.Store{Root: root}
	known := func(id string) bool {
		_, _, err := book.Get(id)
		return !errors.Is(err, ledger.ErrNotFound) || live.Known(id)
	}
	orphans, err := store.Orphans(known)
	errs := []error{store.Sweep(), err}
	var removed []string
	for _, name := range orphans {
		switch err := RemoveVolume(root, store, name, ""); {
		case err == nil:
			removed = append(removed, name)
		case !errors.Is(err, volume.ErrInUse) && !errors.Is(err, volume.ErrNotFound):
			errs = append(errs, err)
		}
	}
	return removed, errors.Join(errs...)
}

// CreateVolume makes a volume; one that is there is left as it is.
func CreateVolume(store *volume.Store, o volume.Options) error {
	_, created, err := store.Create(o)
	if err == nil && created {
		emitVolume(event.Create, o.Name, nil)
	}
	return err
}

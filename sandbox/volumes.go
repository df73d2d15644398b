package sandbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/rootfs"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/sandbox/volume"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/event"
)

// holdVolumes takes hold of the plan's volumes, and makes those that are
// missing.
func (c *Cmd) holdVolumes(ctx context.Context) error {
	for _, v := range c.Plan.Volumes {
		store, err := volume.Open(storeOf(v.Source))
		if err != nil {
			return err
		}
		use := volume.Use{
			Options: volume.Options{Name: v.Name, Labels: v.Labels, Size: v.Size, Anonymous: v.Anonymous},
			UID:     v.UID, GID: v.GID, Mapped: v.Mapped,
		}
		if v.AutoRemove {
			use.Container = c.Lease.ID
		}
		if !v.NoCopy {
			use.Content = func() (*os.Root, error) { return c.lookInside(v.Destination) }
		}
		hold, err := store.Hold(ctx, use)
		if err != nil {
			return err
		}
		c.held = append(c.held, hold)
		if hold.Created {
			emitVolume(event.Create, v.Name, nil)
		}
		emitVolume(event.Mount, v.Name, map[string]string{
			"container": c.Lease.ID, "destination": v.Destination, "read/write": strconv.FormatBool(!v.ReadOnly), "propagation": "rprivate",
		})
	}
	return nil
}

// lookInside opens what the image has at path.
func (c *Cmd) lookInside(path string) (root *os.Root, err error) {
	err = c.Lease.thread.Do(func() (err error) {
		root, err = rootfs.Look(c.Plan.Rootfs, c.Lease.store.RootfsDir(c.Lease.ID), path)
		return err
	})
	return root, err
}

// letGoVolumes lets go of what holdVolumes took hold of.
func (c *Cmd) letGoVolumes() {
	for _, hold := range c.held {
		_ = hold.Close() // nothing was written through it
		emitVolume(event.Unmount, hold.Name, map[string]string{"container": c.Lease.ID})
	}
}

// removeVolumes removes those that go with the container, and of one that was
// never started those that were made for it without a name.
func (c *Cmd) removeVolumes() error {
	var errs []error
	for i, hold := range c.held {
		v := c.Plan.Volumes[i]
		if v.AutoRemove || !c.released && hold.Created && v.Anonymous {
			errs = append(errs, removeQuietly(c.Lease.store.Root, storeOf(v.Source), v.Name, c.Lease.ID))
		}
	}
	return errors.Join(errs...)
}

// removeQuietly removes a volume unless it has gone, or somebody else has it.
func removeQuietly(root, dir, name, except string) error {
	store, err := volume.Open(dir)
	if err != nil {
		return err
	}
	err = RemoveVolume(root, store, name, except)
	if errors.Is(err, volume.ErrNotFound) || errors.Is(err, volume.ErrInUse) {
		return nil
	}
	return err
}

// collectVolumes removes the volumes that were to go with a sandbox whose
// launcher was killed.
func collectVolumes(root string, rec state.Record) error {
	var errs []error
	for _, v := range rec.Volumes {
		if v.AutoRemove {
			errs = append(errs, removeQuietly(root, v.Store, v.Name, rec.ID))
		}
	}
	return errors.Join(errs...)
}

// RemoveAnonymous removes the volumes without a name that a container had,
// unless somebody else has them.
func RemoveAnonymous(root string, c ledger.Container) error {
	var errs []error
	for _, v := range c.Volumes {
		if v.Anonymous {
			errs = append(errs, removeQuietly(root, storeOf(v.Source), v.Name, c.ID))
		}
	}
	return errors.Join(errs...)
}

// storeOf is the store that the files at source are of.
func storeOf(source string) string { return filepath.Dir(filepath.Dir(source)) }

func recordVolumes(plan *spec.Plan) (out []state.Volume) {
	for _, v := range plan.Volumes {
		out = append(out, state.Volume{Name: v.Name, Store: storeOf(v.Source), AutoRemove: v.AutoRemove})
	}
	return out
}

// LedgerVolumes are a plan's volumes for the ledger.
func LedgerVolumes(plan *spec.Plan) (out []ledger.Volume) {
	for _, v := range plan.Volumes {
		out = append(out, ledger.Volume{
			Name: v.Name, Source: v.Source, Destination: v.Destination, ReadOnly: v.ReadOnly, Anonymous: v.Anonymous,
		})
	}
	return out
}

// emitVolume writes down what has happened to a volume.
func emitVolume(action, name string, attributes map[string]string) {
	book, err := ledger.Open("")
	if err != nil {
		return // events are for people, and never fail what they tell of
	}
	if attributes == nil {
		attributes = map[string]string{}
	}
	attributes["driver"] = "local"
	book.Emit(event.Event{Type: event.Volume, Action: action, ID: name, Attributes: attributes})
}

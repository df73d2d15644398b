package image

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// attempts bounds how often an image is fetched that changes, or is removed
// from the store, while it is being opened.
const attempts = 3

// openStored opens an image of the store, and has it fetched when it is not
// there, its source has changed, or it was not checked against this policy.
func openStored(ctx context.Context, r Reference, o Options) (*Image, error) {
	ref, err := Locate(r)
	if err != nil {
		return nil, err
	}
	if _, err := Stamps(r); err != nil {
		return nil, err // a file of another form than it is said to have
	}
	trust, err := TrustHash(o.Trust)
	if err != nil {
		return nil, err
	}
	for attempt := range attempts {
		if attempt > 0 || o.Pull != PullAlways {
			img, err := fromStore(ctx, ref, trust, o)
			if img != nil || err != nil {
				return img, err
			}
		}
		if err := fetch(ctx, r, o); err != nil {
			return nil, err
		}
	}
	img, err := fromStore(ctx, ref, trust, o)
	if img != nil || err != nil {
		return img, err
	}
	return nil, problem.New("wait until it is written, then run again", "image %s changes while it is read", r)
}

// fromStore finds the image by its record and takes a share of its lock. Both
// results are nil when it has to be fetched.
func fromStore(ctx context.Context, ref Reference, trust string, o Options) (*Image, error) {
	store, err := OpenStore(o.Store)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	record := store.Record(ref)
	if record == nil || !record.Holds(ref, o.Trust, trust, time.Now()) {
		return nil, nil
	}
	lock, err := store.Share(ctx, record.Digest)
	if err != nil {
		return nil, problem.New("", "image store %s: %w", store.Path(), err)
	}
	entry := store.Entry(record.Digest)
	if entry == nil || !store.Complete(entry) {
		return nil, lock.Release()
	}
	return &Image{
		Spec: spec.Image{
			Digest: record.Digest, Layers: store.Trees(entry), Config: entry.Config,
			Passwd: entry.Passwd, Group: entry.Group,
		},
		lock: lock,
	}, nil
}

package image

import (
	"context"
	"errors"
	"io/fs"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// attempts bounds how often an image is unpacked that changes, or is removed
// from the store, while it is being opened.
const attempts = 3

// openStored opens an image that is unpacked into the store, and has it
// unpacked when it is not there or its source has changed.
func openStored(ctx context.Context, r Reference, o Options) (*Image, error) {
	for range attempts {
		ref, stamps, err := Locate(r)
		if err != nil {
			return nil, err
		}
		img, err := fromStore(ctx, ref, stamps, o.Store)
		if img != nil || err != nil {
			return img, err
		}
		if err := runUnpacker(ctx, r, o); err != nil {
			return nil, err
		}
	}
	return nil, problem.New("wait until it is written, then run again", "image %s changes while it is read", r)
}

// fromStore finds the image by its record and takes a share of its lock. Both
// results are nil when it has to be unpacked.
func fromStore(ctx context.Context, ref Reference, stamps []Stamp, dir string) (*Image, error) {
	store, err := OpenStore(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	record := store.Record(ref)
	if record == nil || !record.Describes(ref, stamps) {
		return nil, nil
	}
	lock, err := store.Share(ctx, record.Digest)
	if err != nil {
		return nil, problem.New("", "image store %s: %w", store.Path(), err)
	}
	if !store.Has(record.Digest) {
		return nil, lock.Release()
	}
	return &Image{
		Spec: spec.Image{Digest: record.Digest, Rootfs: store.Rootfs(record.Digest), Config: record.Config},
		lock: lock,
	}, nil
}

// Package unpack reads images in foreign formats and unpacks them into the
// store of the package image. It runs in a program of its own, safe-run-image,
// apart from the launcher.
//
// Everything it reads is hostile. Sizes are bounded before anything is
// allocated or written, every blob is checked against its digest and every
// layer against its diff id while it is read, and what was written before a
// check failed is removed. An image appears in the store whole or not at all.
package unpack

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/unpack/ociconfig"
	"github.com/safe-run/safe-run/spec/problem"
)

// Options says where to unpack and how much is too much.
type Options struct {
	// Store is the directory of unpacked images; image.DefaultStore when empty.
	Store string
	// Limits bounds the image; the zero value is DefaultLimits.
	Limits Limits
	// Progress is called now and then while a layer is unpacked; may be nil.
	Progress func(Progress)
}

// Progress says how far the unpacking of an image is.
type Progress struct {
	Layer, Layers int   // this layer, from 1, and how many there are
	Bytes, Total  int64 // compressed bytes read and to be read, of all layers
}

// Unpack unpacks the image that reference names, unless the store has it, and
// writes its record.
func Unpack(ctx context.Context, reference string, o Options) (*image.Record, error) {
	ref, err := image.Parse(reference)
	if err != nil {
		return nil, err
	}
	if !ref.Stored() {
		return nil, problem.New("run it: safe-run "+reference, "image %s is used as it is and cannot be unpacked", ref)
	}
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits
	}
	record, err := unpack(ctx, ref, o)
	if err != nil {
		return nil, explain(ref, err)
	}
	return record, nil
}

func unpack(ctx context.Context, ref image.Reference, o Options) (*image.Record, error) {
	ref, stamps, err := image.Locate(ref)
	if err != nil {
		return nil, err
	}
	store, err := image.CreateStore(o.Store)
	if err != nil {
		return nil, err
	}
	if err := sweep(ctx, store); err != nil {
		return nil, err
	}
	work, err := newWorkspace(ctx, store)
	if err != nil {
		return nil, err
	}
	defer work.remove()
	src, err := open(ctx, ref, work, o.Limits)
	if err != nil {
		return nil, err
	}
	defer src.close()
	pick, err := src.choose(ref.Tag, runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	config, err := ociconfig.Read(pick.config)
	if err != nil {
		return nil, err
	}
	if err := (job{store, work, o}).publish(ctx, pick); err != nil {
		return nil, err
	}
	record := image.NewRecord(ref, stamps, pick.digest, config)
	if err := unchanged(ref, stamps); err != nil {
		return nil, err
	}
	if err := store.PutRecord(ref, record); err != nil {
		return nil, fmt.Errorf("write the record: %w", err)
	}
	return record, nil
}

// unchanged refuses a source that was written to while it was read: the record
// would claim that its new state is what was unpacked.
func unchanged(ref image.Reference, before []image.Stamp) error {
	_, now, err := image.Locate(ref)
	if err != nil {
		return err
	}
	if !slices.Equal(before, now) {
		return problem.New("wait until it is written, then run again", "%s was changed while it was read", ref.Path)
	}
	return nil
}

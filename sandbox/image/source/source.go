// Package source finds images where people keep them: layouts, archives, the
// stores of other engines, registries. What it gives is checked against its
// digests as far as it was read; layers are opened, never unpacked.
//
// Everything it reads is hostile. Sizes are bounded before anything is
// allocated.
package source

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

// Options says what is looked for and what it may cost.
type Options struct {
	Arch   string // of the machine that will run the image, as Go names it
	Limits bounds.Limits
	// Scratch makes a file without a name to keep what cannot be read in place.
	Scratch func(name string) (*os.File, error)
	// LocalOnly keeps the search off the network (--pull never).
	LocalOnly bool
	// Stored gives the image of the store whose config, manifest or index has
	// this digest, or nil: what an engine has kept need not be exported again.
	// May be nil.
	Stored func(digest string) *Image
	// FilesFirst keeps a bare name that is a file here from being asked of a
	// registry.
	FilesFirst bool
	// Note is told in a line what is being tried; may be nil.
	Note func(string)
}

func (o Options) stored(digest string) *Image {
	if o.Stored == nil {
		return nil
	}
	return o.Stored(digest)
}

func (o Options) note(format string, args ...any) {
	if o.Note != nil {
		o.Note(fmt.Sprintf(format, args...))
	}
}

// Image is an image that was found: its manifest and config were read and
// checked, its layers were not.
type Image struct {
	// Reference is where it was found.
	Reference image.Reference
	// Repository is what a registry knows it as, such as ghcr.io/acme/app;
	// empty when the source has no such name.
	Repository string
	Digest     v1.Hash // of the manifest
	Index      v1.Hash // of the index that led to it; zero when none did
	MediaType  types.MediaType
	Manifest   []byte
	// Made says that the manifest was made here: a docker archive and docker's
	// own store have none, so its digest is not the one that was published.
	Made       bool
	Config     []byte
	ConfigFile *v1.ConfigFile
	Layers     []Layer // lowest first
	// Stamps are the files that would change with the image; none for a
	// registry.
	Stamps []image.Stamp
	// Attached gives the artifacts that refer to a manifest; nil when the
	// source keeps none.
	Attached func(context.Context, v1.Hash) ([]Attachment, error)
	closers  []func() error
}

// Layer is one layer's blob and what it must turn out to be.
type Layer struct {
	Digest    v1.Hash // of the blob as it is stored
	Size      int64   // of the blob in bytes; -1 when it is not known
	DiffID    v1.Hash // of the tar inside
	MediaType types.MediaType
	// Open reads the blob from offset on.
	Open func(ctx context.Context, offset int64) (io.ReadCloser, error)
}

// Close lets the source go. The layers cannot be opened afterwards.
func (i *Image) Close() error {
	var first error
	for _, c := range slices.Backward(i.closers) {
		if err := c(); err != nil && first == nil {
			first = err
		}
	}
	i.closers = nil
	return first
}

// finder finds the images of one transport.
type finder func(context.Context, image.Reference, Options) (*Image, error)

var finders = map[string]finder{
	image.Docker:            findInRegistry,
	image.OCI:               findInLayout,
	image.OCIArchive:        findInLayoutArchive,
	image.DockerArchive:     findInDockerArchive,
	image.Named:             findAnywhere,
	image.DockerDaemon:      findInDockerDaemon,
	image.ContainersStorage: findInContainersStorage,
	image.Containerd:        findInContainerd,
}

// Find finds the image that ref names. A path in ref is absolute. The caller
// closes the image.
func Find(ctx context.Context, ref image.Reference, o Options) (*Image, error) {
	find := finders[ref.Transport]
	if find == nil {
		return nil, fmt.Errorf("no source for %q", ref.Transport)
	}
	before, err := image.Stamps(ref)
	if err != nil {
		return nil, err
	}
	found, err := find(ctx, ref, o)
	if err != nil {
		return nil, brief(err)
	}
	if found.Reference == (image.Reference{}) {
		found.Reference = ref
	}
	if before != nil {
		found.Stamps = before
	}
	if len(found.Layers) > o.Limits.Layers {
		found.Close()
		return nil, bounds.TooManyLayers(o.Limits.Layers)
	}
	return found, nil
}

// longest bounds a message and a hint in bytes: names and media types in an
// image may have megabytes.
const longest = 1000

// brief cuts an error that is too long to be read.
func brief(err error) error {
	what, hint := err.Error(), problem.HintOf(err)
	if len(what) <= longest && len(hint) <= longest {
		return err
	}
	return &problem.Error{What: cut(what), Hint: cut(hint), Err: err}
}

func cut(s string) string {
	if len(s) > longest {
		return strings.ToValidUTF8(s[:longest], "") + "..."
	}
	return s
}

// Unchanged refuses a file that was written to while it was read: a record
// would claim that its new state is what was read. The stamps of an engine's
// image were taken before it was read; engines write to those files all the
// time, and a record with old stamps is merely not used again.
func (i *Image) Unchanged() error {
	if i.Reference.IsFile() && !image.Fresh(i.Stamps) {
		return problem.New("wait until it is written, then run again", "%s was changed while it was read", i.Reference)
	}
	return nil
}

package pull

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/source"
)

// stored is an image of the store as a source. What is attached to it is asked
// for where it came from.
func (p *puller) stored(key image.Reference, record *image.Record, entry *image.Entry) (*source.Image, error) {
	found, err := source.FromBlobs(p.store, entry)
	if err != nil {
		return nil, err
	}
	found.Index = v1.Hash{} // the entry's may have led another reference here
	if record.Index != "" {
		if found.Index, err = v1.NewHash(record.Index); err != nil {
			return nil, err
		}
	}
	found.Reference, found.Repository, found.Stamps = key, record.Repository, record.Source
	if record.From != "" {
		if found.Reference, err = image.Parse(record.From); err != nil {
			return nil, err
		}
	}
	found.Attached = func(ctx context.Context, subject v1.Hash) ([]source.Attachment, error) {
		origin, err := source.Find(ctx, pinned(found), p.sourceOptions())
		if err != nil {
			return nil, err
		}
		defer origin.Close()
		if origin.Attached == nil {
			return nil, nil
		}
		return origin.Attached(ctx, subject)
	}
	return found, nil
}

// storedAs is the image of the store that an engine knows by this id: docker by
// the digest of the config of an image that it exported, or, with containerd's
// store, by that of the manifest or index. nil when there is none.
func (p *puller) storedAs(id string) *source.Image {
	entries, err := p.store.Entries()
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if (e.Made && e.ConfigRaw == id || e.Digest == id || e.Index == id) && p.store.Complete(e) {
			if found, err := source.FromBlobs(p.store, e); err == nil {
				return found
			}
		}
	}
	return nil
}

// pinned names an image by its digest, where names can.
func pinned(found *source.Image) image.Reference {
	ref := found.Reference
	if ref.Transport != image.Docker {
		return ref
	}
	repository, _, _ := ref.Name()
	digest := found.Digest
	if found.Index.Hex != "" {
		digest = found.Index
	}
	ref.Path = repository + "@" + digest.String()
	return ref
}

package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/spec/problem"
)

// dockerArchive is what docker save writes: manifest.json names the configs
// and layers of its images by file. There is no manifest with a digest in it;
// one is made from what is there, so that the same archive always has the same
// digest. It is not the digest that a registry knows the image by.
type dockerArchive struct {
	*archive
	ctx    context.Context
	limits bounds.Limits
	images tarball.Manifest
}

func findInDockerArchive(ctx context.Context, ref image.Reference, o Options) (*Image, error) {
	a, err := openArchive(ctx, ref.Path, o)
	if err != nil {
		return nil, err
	}
	return findSaved(ctx, a, ref, o)
}

// findSaved finds the image that ref names in a docker archive, and takes the
// archive over.
func findSaved(ctx context.Context, a *archive, ref image.Reference, o Options) (*Image, error) {
	d := &dockerArchive{archive: a, ctx: ctx, limits: o.Limits}
	err := d.read(ref)
	if err == nil {
		var found *Image
		if found, err = d.choose(ref.Tag, o.Arch); err == nil {
			found.closers = append(found.closers, a.close)
			return found, nil
		}
	}
	return nil, errors.Join(err, a.close())
}

func (d *dockerArchive) read(ref image.Reference) error {
	data, err := readWhole(d, "manifest.json")
	if errors.Is(err, fs.ErrNotExist) {
		if d.has("oci-layout") {
			ref.Transport = image.OCIArchive
			return problem.New("write "+ref.String(), "%s is not a docker archive but an OCI archive", ref.Path)
		}
		return problem.New("docker save writes one", "it is not a docker archive: it has no manifest.json")
	}
	if err != nil {
		return err
	}
	return decode(data, &d.images, "manifest.json")
}

func (d *dockerArchive) choose(tag, arch string) (*Image, error) {
	img, err := d.named(tag)
	if err != nil {
		return nil, err
	}
	// Before anything is read for them: one file may be named many times.
	if len(img.Layers) > d.limits.Layers {
		return nil, bounds.TooManyLayers(d.limits.Layers)
	}
	raw, err := readWhole(d, img.Config)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, problem.New("save the image again", "the config %q is referred to but is not there", img.Config)
	}
	if err != nil {
		return nil, err
	}
	config, err := readConfig(raw, len(img.Layers), arch)
	if err != nil {
		return nil, err
	}
	m := v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.DockerManifestSchema2,
		Config:        v1.Descriptor{MediaType: types.DockerConfigJSON, Size: int64(len(raw)), Digest: hashBytes(raw)},
	}
	files := map[v1.Hash]string{}
	for i, file := range img.Layers {
		desc, err := d.layer(file, config.RootFS.DiffIDs[i])
		if err != nil {
			return nil, err
		}
		m.Layers = append(m.Layers, desc)
		files[desc.Digest] = file
	}
	data, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	found, err := assemble(documents{v1.Descriptor{MediaType: m.MediaType, Digest: hashBytes(data)}, data, &m, raw}, arch, func(ld v1.Descriptor) opener {
		return func(_ context.Context, offset int64) (io.ReadCloser, error) {
			r, _, err := d.open(files[ld.Digest])
			if err != nil {
				return nil, err
			}
			return from(r, offset)
		}
	})
	if err == nil {
		found.Made = true
	}
	return found, err
}

// layer describes a layer file. One that is not compressed has its diff id as
// its digest, which is checked when it is unpacked; a compressed one is read
// to know its digest.
func (d *dockerArchive) layer(file string, diffID v1.Hash) (v1.Descriptor, error) {
	r, n, err := d.open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return v1.Descriptor{}, problem.New("save the image again", "the layer %q is referred to but is not there", file)
	}
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer r.Close()
	desc := v1.Descriptor{MediaType: types.DockerUncompressedLayer, Size: n, Digest: diffID}
	start := make([]byte, 4)
	if got, err := io.ReadFull(r, start); err == nil && compressionOf(start[:got]) != plainTar {
		whole, _, err := d.open(file)
		if err != nil {
			return v1.Descriptor{}, err
		}
		desc.MediaType = types.DockerLayer
		if desc.Digest, err = hashOf(interruptible{d.ctx, whole}); err != nil {
			return v1.Descriptor{}, fmt.Errorf("layer %q: %w", file, err)
		}
	}
	return desc, nil
}

// named finds the image called tag. docker.io/library/nginx:latest and nginx
// are the same name.
func (d *dockerArchive) named(tag string) (*tarball.Descriptor, error) {
	var names []string
	for _, img := range d.images {
		names = append(names, img.RepoTags...)
	}
	slices.Sort(names)
	switch {
	case len(d.images) == 0:
		return nil, problem.New("docker save NAME -o FILE writes one", "there is no image in it")
	case tag == "" && len(d.images) == 1:
		return &d.images[0], nil
	case tag == "":
		return nil, problem.New("name one after a colon, as docker-archive:FILE:NAME", "there are %d images in it: %s", len(d.images), list(names))
	}
	for i, img := range d.images {
		if slices.ContainsFunc(img.RepoTags, func(n string) bool { return sameName(n, tag) }) {
			return &d.images[i], nil
		}
	}
	if len(names) == 0 {
		return nil, problem.New("leave the name out", "there is no image called %q in it, and none has a name", tag)
	}
	return nil, problem.New("name one of those after a colon, for example :"+names[0], "there is no image called %q in it, only %s", tag, list(names))
}

func sameName(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := name.NewTag(a)
	y, errY := name.NewTag(b)
	return errX == nil && errY == nil && x.Name() == y.Name()
}

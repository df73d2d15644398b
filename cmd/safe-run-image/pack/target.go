package pack

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

// refName is the annotation that names an image in an OCI layout.
const refName = "org.opencontainers.image.ref.name"

// destination is where an image is written.
type destination struct {
	ref image.Reference // with an absolute path
	tag name.Tag        // of a docker archive
}

// forms is the hint that names the ways to write a destination.
const forms = "write --to oci:DIR[:ref] or --to docker-archive:FILE:NAME"

// target reads where to write.
func target(s string) (destination, error) {
	if s == "" {
		return destination{}, problem.New(forms, "there is no place to write the image to")
	}
	ref, err := image.Parse(s)
	if err != nil {
		return destination{}, problem.New(forms, "%w", err)
	}
	if ref.Path, err = filepath.Abs(ref.Path); err != nil {
		return destination{}, err
	}
	d := destination{ref: ref}
	switch ref.Transport {
	case image.OCI:
	case image.DockerArchive:
		if d.tag, err = name.NewTag(ref.Tag); err != nil {
			return destination{}, problem.New("name the image after the file, for example docker-archive:"+ref.Path+":app:1.0",
				"%s has no name that docker would load", s)
		}
	default:
		return destination{}, problem.New(forms, "an image cannot be written to %s", s)
	}
	return d, nil
}

// write writes img; work is a directory on the same filesystem.
func (d destination) write(img v1.Image, work string) error {
	if d.ref.Transport == image.OCI {
		return d.writeLayout(img)
	}
	file := filepath.Join(work, "image.tar")
	if err := tarball.WriteToFile(file, d.tag, img); err != nil {
		return err
	}
	return os.Rename(file, d.ref.Path)
}

// writeLayout adds img to the layout, in the place of one of the same name.
func (d destination) writeLayout(img v1.Image) error {
	dir := d.ref.Path
	path, err := layout.FromPath(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
			return problem.New("name a new or empty directory", "%s is neither empty nor an OCI layout", dir)
		}
		path, err = layout.Write(dir, empty.Index)
	}
	if err != nil {
		return err
	}
	if d.ref.Tag == "" {
		digest, err := img.Digest()
		if err != nil {
			return err
		}
		return path.ReplaceImage(img, match.Digests(digest))
	}
	return path.ReplaceImage(img, match.Name(d.ref.Tag), layout.WithAnnotations(map[string]string{refName: d.ref.Tag}))
}

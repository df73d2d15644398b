// Package pack makes an image of one layer from a directory. The same files
// always make the same image, byte for byte, whenever and wherever it is made.
package pack

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/source/ociconfig"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// Options says what to make an image of.
type Options struct {
	From   string // the directory that is its root filesystem
	To     string // oci:DIR[:ref] or docker-archive:FILE:NAME
	Config spec.ImageConfig
	// Time is given to the image and to all its files, because when they were
	// made must not make a difference. The zero value is 1970.
	Time time.Time
}

// Image makes the image and gives its manifest digest.
func Image(ctx context.Context, o Options) (digest string, err error) {
	for _, e := range o.Config.Env {
		if !strings.Contains(e, "=") {
			return "", problem.New("write NAME=value", "the variable %q has no value", e)
		}
	}
	to, err := target(o.To)
	if err != nil {
		return "", err
	}
	if err := apart(o.From, to.ref.Path); err != nil {
		return "", err
	}
	if o.Time.IsZero() {
		o.Time = time.Unix(0, 0)
	}
	work, err := os.MkdirTemp(filepath.Dir(to.ref.Path), ".safe-run-pack-")
	if err != nil {
		return "", problem.New("", "write %s: %w", o.To, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	file := filepath.Join(work, "layer.tar.gz")
	if err := writeLayer(ctx, file, o); err != nil {
		return "", err
	}
	img, err := build(file, o)
	if err != nil {
		return "", err
	}
	if err := to.write(img, work); err != nil {
		return "", problem.New(problem.HintOf(err), "write %s: %w", o.To, err)
	}
	hash, err := img.Digest()
	return hash.String(), err
}

// Directory finds a directory that may be packed; hint says how to name
// another.
func Directory(from, hint string) (string, error) {
	if from == "" {
		return "", problem.New(hint, "there is no directory to pack")
	}
	dir, err := filepath.Abs(from)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return "", problem.New(hint, "pack %s: %w", from, err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", problem.New(hint, "pack %s: it is not a directory", from)
	}
	if dir == "/" {
		return "", problem.New("make a root filesystem of its own, for example: debootstrap --variant=minbase stable ./rootfs",
			"pack %s: it is this host's own root filesystem", from)
	}
	return dir, nil
}

// apart refuses a directory that cannot be packed, or that would be packed
// into itself.
func apart(from, to string) error {
	dir, err := Directory(from, "name the directory with --from")
	if err != nil {
		return err
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(to))
	if err != nil {
		return problem.New("mkdir -p "+filepath.Dir(to), "write %s: %w", to, err)
	}
	if rel, err := filepath.Rel(dir, filepath.Join(parent, filepath.Base(to))); err == nil && filepath.IsLocal(rel) {
		return problem.New("write the image elsewhere", "pack %s: the image would be a part of itself", from)
	}
	return nil
}

// writeLayer writes the compressed tar of o.From to file.
func writeLayer(ctx context.Context, file string, o Options) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(f)
	return errors.Join(Tar(ctx, z, o.From, o.Time), z.Close(), f.Close())
}

// build makes the image around the layer in file.
func build(file string, o Options) (v1.Image, error) {
	layer, err := tarball.LayerFromFile(file, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.AppendLayers(img, layer); err != nil {
		return nil, err
	}
	c, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", runtime.GOARCH
	c.Created = v1.Time{Time: o.Time.UTC()}
	c.History = []v1.History{{Created: c.Created, CreatedBy: image.Fetcher + " pack"}}
	c.Config = ociconfig.Write(o.Config)
	if _, err := ociconfig.Read(c); err != nil {
		return nil, problem.New(problem.HintOf(err), "the image: %w", err)
	}
	return mutate.ConfigFile(img, c)
}

package unpack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image"
)

// job is the unpacking of one image.
type job struct {
	store *image.Store
	work  *workspace
	Options
}

// publish puts the tree of c into the store, unless it is there. Of several
// processes that want the same tree one unpacks it and the others wait.
func (j job) publish(ctx context.Context, c *choice) error {
	// A tree that is in use is locked by those who use it, for as long as they
	// run: whether it is there must be looked up without excluding them.
	shared, err := j.store.Share(ctx, c.digest)
	if err != nil {
		return err
	}
	there := j.store.Has(c.digest)
	if err := shared.Release(); there || err != nil {
		return err
	}
	alone, err := j.store.Exclude(ctx, c.digest)
	if err != nil {
		return err
	}
	defer alone.Release()
	if j.store.Has(c.digest) {
		return nil
	}
	dir, err := j.flatten(ctx, c)
	if err != nil {
		return err
	}
	return install(dir, j.store.Image(c.digest))
}

// flatten applies the layers to one tree, and gives the directory it is in.
func (j job) flatten(ctx context.Context, c *choice) (string, error) {
	if len(c.layers) > j.Limits.Layers {
		return "", over("", "more than %d layers", j.Limits.Layers)
	}
	dir, err := j.work.mkdir("image", 0o700)
	if err != nil {
		return "", err
	}
	// The layers' own entry for the root directory is ignored, as containerd
	// does: images are often made from a directory that only root may enter.
	rootfs, err := j.work.mkdir("image/rootfs", 0o755)
	if err != nil {
		return "", err
	}
	t := &tree{root: rootfs, budget: budget{limits: j.Limits}, report: reporter(c, j.Progress)}
	for i, l := range c.layers {
		if err := t.apply(ctx, i, l); err != nil {
			return "", fmt.Errorf("layer %d of %d: %w", i+1, len(c.layers), err)
		}
	}
	return dir, nil
}

// install moves a finished tree to its place. Everything is on disk before the
// name appears, so that not even a power cut leaves half an image.
func install(dir, place string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Syncfs(int(d.Fd())), d.Close()); err != nil {
		return fmt.Errorf("write to disk: %w", err)
	}
	// What stands there without a tree in it is no image; Has said so.
	if err := os.RemoveAll(place); err != nil {
		return err
	}
	if err := os.Rename(dir, place); err != nil {
		return err
	}
	parent, err := os.Open(filepath.Dir(place))
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}

// reporter gives what is called with the layer's number and the compressed
// bytes read.
func reporter(c *choice, progress func(Progress)) func(layer int, read int64) {
	if progress == nil {
		return func(int, int64) {}
	}
	p := Progress{Layers: len(c.layers)}
	for _, l := range c.layers {
		p.Total += l.size
	}
	return func(layer int, read int64) {
		p.Layer = layer + 1
		p.Bytes += read
		progress(p)
	}
}

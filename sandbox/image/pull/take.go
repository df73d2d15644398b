package pull

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/sandbox/image/view"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// maxAccounts bounds an image's /etc/passwd and /etc/group in bytes.
const maxAccounts = 1 << 20

// take puts an image that was found and checked into the store.
func (p *puller) take(ctx context.Context, found *source.Image) error {
	config, err := entryConfig(found)
	if err != nil {
		return err
	}
	if p.has(found.Digest.String()) {
		return p.reread(found.Digest.String(), config)
	}
	manifest, raw := found.Digest.String(), digestOf(found.Config)
	if err := errors.Join(p.small(manifest, found.Manifest), p.small(raw, found.Config)); err != nil {
		return err
	}
	s, err := p.install(ctx, found.Layers)
	if err != nil {
		return err
	}
	entry := &image.Entry{
		Digest: manifest, MediaType: string(found.MediaType), Made: found.Made, ConfigRaw: raw,
		Created: found.ConfigFile.Created.UTC(), Stored: time.Now().UTC().Truncate(time.Second), Config: config,
	}
	if found.Index.Hex != "" {
		entry.Index = found.Index.String()
	}
	for i, l := range found.Layers {
		blob, err := os.Lstat(p.store.Blob(l.Digest.String()))
		if err != nil {
			return err
		}
		entry.Layers = append(entry.Layers, image.EntryLayer{
			Chain: s.chains[i], DiffID: l.DiffID.String(), Blob: l.Digest.String(), Media: string(l.MediaType), Size: blob.Size(),
		})
	}
	if err := accounts(entry, s.dirs); err != nil {
		return err
	}
	for _, dir := range s.dirs {
		n, err := image.DiskUse(dir)
		if err != nil {
			return err
		}
		entry.Size += n
	}
	return p.store.PutEntry(entry)
}

// reread writes down what an earlier version did not take from the config of an
// image that is there.
func (p *puller) reread(digest string, config spec.ImageConfig) error {
	entry := p.store.Entry(digest)
	if entry == nil || sameJSON(entry.Config, config) {
		return nil
	}
	entry.Config = config
	return p.store.PutEntry(entry)
}

// accounts keeps the image's own files of accounts beside its config, so that
// the launcher does not look for them.
func accounts(entry *image.Entry, layers []string) error {
	if len(layers) == 0 {
		return nil
	}
	tree, err := view.Open(layers)
	if err != nil {
		return err
	}
	defer tree.Close()
	for path, into := range map[string]*[]byte{"/etc/passwd": &entry.Passwd, "/etc/group": &entry.Group} {
		data, err := tree.ReadFile(path, maxAccounts)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
			return problem.New("remove it from the image, or make it a plain file", "image's %s: %w", path, err)
		}
		*into = data
	}
	return nil
}

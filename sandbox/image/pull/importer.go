package pull

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/sandbox/image/source/ociconfig"
	"github.com/safe-run/safe-run/sandbox/image/unpack"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// Imported is what is brought into the store under a name of one's own: an
// image that Reference finds, or a root filesystem.
type Imported struct {
	Reference string
	// Rootfs writes the tar of a root filesystem, which may be compressed. From
	// is where it comes from: dir: and an absolute path.
	Rootfs  func(context.Context, io.Writer) error
	From    string
	Config  spec.ImageConfig
	Created time.Time
}

// Import brings what is imported into the store as name, checked as any other
// image, and gives its record. The name stays what it is when the source
// changes.
func Import(ctx context.Context, what Imported, name image.Reference, o Options) (*image.Record, error) {
	from := what.Reference
	if what.Rootfs != nil {
		from = what.From
	}
	ref, err := image.Parse(from)
	if err != nil {
		return nil, err
	}
	p, err := newPuller(ctx, o)
	if err != nil {
		return nil, explain(ref, err)
	}
	defer p.close()
	record, err := p.bring(ctx, what, ref, name)
	if err != nil {
		return nil, explain(ref, err)
	}
	return record, nil
}

func (p *puller) bring(ctx context.Context, what Imported, ref, name image.Reference) (*image.Record, error) {
	if err := ownsFiles(); err != nil {
		return nil, err
	}
	trust, err := image.TrustHash(p.Trust)
	if err != nil {
		return nil, err
	}
	var found *source.Image
	if what.Rootfs != nil {
		found, err = p.rootfs(ctx, what, ref)
	} else if ref, err = image.Locate(ref); err == nil {
		found, err = source.Find(ctx, ref, p.sourceOptions())
	}
	if err != nil {
		return nil, err
	}
	defer found.Close()
	checked, err := p.check(ctx, ref, found)
	if err != nil {
		return nil, err
	}
	if err := p.take(ctx, found); err != nil {
		return nil, err
	}
	if err := p.checkContents(ctx, found, checked); err != nil {
		return nil, err
	}
	if err := found.Unchanged(); err != nil {
		return nil, err
	}
	record := &image.Record{
		Digest: found.Digest.String(), Index: indexOf(found), From: ref.String(), Repository: found.Repository,
		Trust: trust, Verified: checked.lines(), Expires: checked.Expires, Pulled: time.Now().UTC().Truncate(time.Second),
	}
	return record, p.store.PutRecord(name, record)
}

// rootfs makes an image of one layer around a tar.
func (p *puller) rootfs(ctx context.Context, what Imported, ref image.Reference) (*source.Image, error) {
	f, err := p.work.file("rootfs")
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	w := &boundedWriter{w: io.MultiWriter(f, sum), left: p.Limits.Bytes + p.Limits.Entries*unpack.TarOverhead, most: p.Limits.Bytes}
	if err := what.Rootfs(ctx, w); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	layer, err := p.rootfsLayer(ctx, f, sum)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	found, err := made(layer, what, p.Arch)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	found.Reference = ref
	return found, nil
}

// rootfsLayer describes the tar in f: its digest, and the one of its content.
func (p *puller) rootfsLayer(ctx context.Context, f *os.File, sum hash.Hash) (source.Layer, error) {
	info, err := f.Stat()
	if err != nil {
		return source.Layer{}, err
	}
	l := source.Layer{Digest: hashOf(sum), Size: info.Size(), MediaType: types.OCILayer}
	l.Open = func(_ context.Context, offset int64) (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(f, offset, info.Size()-offset)), nil
	}
	buffered := bufio.NewReader(io.NewSectionReader(f, 0, info.Size()))
	start, err := buffered.Peek(2)
	if err != nil {
		return l, problem.New("name a tar of a root filesystem", "it is no tar: it has %d bytes", info.Size())
	}
	if start[0] == 0x28 && start[1] == 0xb5 {
		l.MediaType = types.OCILayerZStd
	} else if start[0] != 0x1f || start[1] != 0x8b {
		l.MediaType = types.OCIUncompressedLayer
	}
	content, err := source.Decompress(buffered)
	if err != nil {
		return l, err
	}
	defer content.Close()
	diff := sha256.New()
	w := &boundedWriter{w: diff, left: p.Limits.Bytes + p.Limits.Entries*unpack.TarOverhead, most: p.Limits.Bytes}
	if _, err := io.Copy(w, interruptible{ctx, content}); err != nil {
		return l, err
	}
	l.DiffID = hashOf(diff)
	return l, nil
}

func hashOf(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// boundedWriter refuses what is more than an image may have.
type boundedWriter struct {
	w          io.Writer
	left, most int64
}

func (b *boundedWriter) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, bounds.Over("--max-bytes", "more than %s in its layers", bounds.Size(b.most))
	}
	return b.w.Write(p)
}

// made makes the config and the manifest around a layer: the same layer and
// config always make the same image.
func made(l source.Layer, what Imported, arch string) (*source.Image, error) {
	created := v1.Time{Time: what.Created.UTC()}
	c := &v1.ConfigFile{
		OS: "linux", Architecture: arch, Created: created, Config: ociconfig.Write(what.Config),
		RootFS:  v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{l.DiffID}},
		History: []v1.History{{Created: created, CreatedBy: "safe-run image import"}},
	}
	config, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	hash, err := v1.NewHash(digestOf(config))
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: v1.Descriptor{MediaType: types.OCIConfigJSON, Size: int64(len(config)), Digest: hash},
		Layers: []v1.Descriptor{{MediaType: l.MediaType, Size: l.Size, Digest: l.Digest}},
	})
	if err != nil {
		return nil, err
	}
	digest, err := v1.NewHash(digestOf(manifest))
	if err != nil {
		return nil, err
	}
	return &source.Image{
		Digest: digest, MediaType: types.OCIManifestSchema1, Manifest: manifest, Made: true,
		Config: config, ConfigFile: c, Layers: []source.Layer{l},
	}, nil
}

package pull

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/sandbox/image/unpack"
	"github.com/safe-run/safe-run/sandbox/image/view"
)

// Difference is one thing of an image in the store that is not what it was
// published as.
type Difference struct {
	Layer int    `json:"layer,omitempty"` // from 1, the lowest; 0: not of a layer
	Path  string `json:"path,omitempty"`  // in the layer; empty: all of it
	What  string `json:"what"`
}

// maxDifferences bounds what is told of one layer: one more says how many
// there are.
const maxDifferences = 50

// Verify checks what the store holds of an image against what was published:
// the manifest, the config and each blob against its digest, and the files of
// each layer against those that its blob unpacks to. Nothing of the store is
// changed; it takes the room of the largest layer meanwhile.
func Verify(ctx context.Context, e *image.Entry, o Options) ([]Difference, error) {
	p, err := newPuller(ctx, o)
	if err != nil {
		return nil, err
	}
	defer p.close()
	lock, err := p.store.Share(ctx, e.Digest)
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	v := &verifier{puller: p, budget: unpack.NewBudget(p.Limits)}
	found, err := source.FromBlobs(p.store, e)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		v.differs(Difference{What: err.Error()})
		return v.found, nil
	}
	defer found.Close()
	v.entry(e, found)
	for i := range e.Layers {
		if err := v.layer(ctx, i, e, found.Layers[i]); err != nil {
			return nil, err
		}
	}
	return v.found, nil
}

// verifier gathers differences.
type verifier struct {
	*puller
	budget *unpack.Budget
	found  []Difference
}

func (v *verifier) differs(d Difference) {
	d.Path, d.What = printable(d.Path), printable(d.What)
	v.found = append(v.found, d)
}

// entry checks what the store says of the image against its documents: what is
// run is what the config says.
func (v *verifier) entry(e *image.Entry, found *source.Image) {
	if digestOf(found.Config) != e.ConfigRaw {
		v.differs(Difference{What: "the store says that the config is " + e.ConfigRaw + ", the manifest that it is " + digestOf(found.Config)})
	}
	if want, err := entryConfig(found); err != nil {
		v.differs(Difference{What: "its config: " + err.Error()})
	} else if !sameJSON(want, e.Config) {
		v.differs(Difference{What: "what the store says of its config is not what the config says"})
	}
	for i, chain := range chainIDs(found.Layers) {
		if e.Layers[i].Chain != chain || e.Layers[i].DiffID != found.Layers[i].DiffID.String() {
			v.differs(Difference{Layer: i + 1, What: "the store keeps it as another layer than the config names"})
		}
	}
}

// layer checks a blob and the directory that was made of it.
func (v *verifier) layer(ctx context.Context, i int, e *image.Entry, l source.Layer) error {
	if err := v.blobIs(ctx, l); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		v.differs(Difference{Layer: i + 1, What: err.Error()})
		return nil
	}
	name := "verify-" + strconv.Itoa(i)
	fresh, err := v.work.mkdir(name, 0o755)
	if err != nil {
		return err
	}
	defer func() { _ = v.work.discard(name) }() // what cannot be removed is swept later
	var below unpack.Below
	if i > 0 {
		merged, err := view.Open(v.store.Trees(e)[:i])
		if err != nil {
			v.differs(Difference{Layer: i + 1, What: err.Error()})
			return nil
		}
		defer merged.Close()
		below = merged
	}
	blob, err := l.Open(ctx, 0)
	if err != nil {
		return err
	}
	defer blob.Close()
	// The diff id is checked here.
	layer := unpack.Layer{Blob: blob, DiffID: l.DiffID, Root: fresh, Below: below}
	if err := v.budget.Apply(ctx, layer); err != nil {
		if ctx.Err() != nil || isSystem(err) {
			return err
		}
		v.differs(Difference{Layer: i + 1, What: err.Error()})
		return nil
	}
	return v.compare(ctx, i+1, fresh, v.store.Layer(e.Layers[i].Chain))
}

// isSystem says whether an error is this machine's and not the image's.
func isSystem(err error) bool {
	for _, known := range []error{unix.ENOSPC, unix.EDQUOT, unix.EROFS, fs.ErrPermission} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// blobIs reads a blob of the store and checks its digest.
func (v *verifier) blobIs(ctx context.Context, l source.Layer) error {
	f, err := os.OpenFile(v.store.Blob(l.Digest.String()), os.O_RDONLY|nofollow, 0)
	if err != nil {
		return damagedBlob(l.Digest, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || l.Size >= 0 && info.Size() != l.Size {
		return fmt.Errorf("its blob %s has %d bytes, not %d", l.Digest, info.Size(), l.Size)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, interruptible{ctx, f}); err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != l.Digest.Hex {
		return fmt.Errorf("its blob is sha256:%s, not %s", got, l.Digest)
	}
	return nil
}

// compare compares a layer of the store with a fresh copy.
func (v *verifier) compare(ctx context.Context, layer int, fresh, kept string) error {
	want, err := os.OpenRoot(fresh)
	if err != nil {
		return err
	}
	defer want.Close()
	have, err := os.OpenRoot(kept)
	if err != nil {
		v.differs(Difference{Layer: layer, What: "its files are not there: " + cmp.Or(errors.Unwrap(err), err).Error()})
		return nil
	}
	defer have.Close()
	c := &comparison{ctx: ctx, want: want, have: have, links: newLinks()}
	c.differs = func(path, what string) {
		if c.n++; c.n <= maxDifferences {
			v.differs(Difference{Layer: layer, Path: path, What: what})
		}
	}
	if err := c.directory("."); err != nil {
		return err
	}
	if c.n > maxDifferences {
		v.differs(Difference{Layer: layer, What: fmt.Sprintf("%d more differences", c.n-maxDifferences)})
	}
	return nil
}

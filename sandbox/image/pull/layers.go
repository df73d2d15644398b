package pull

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/sandbox/image/unpack"
)

// parallel is how many blobs are fetched at once, as docker does.
const parallel = 3

// stack is the layers of one image on their way into the store.
type stack struct {
	*puller
	layers []source.Layer
	chains []string // chain ids, lowest first
	there  []bool   // which the store has
	dirs   []string // where each is now: in the store, or in the workspace
	locks  []*image.Lock
	// fetched tells when a blob is in the store, and whether it was checked.
	fetched []chan bool
	budget  *unpack.Budget
}

// chainIDs are the OCI chain ids of layers with these diff ids: each names a
// layer together with all below it.
func chainIDs(layers []source.Layer) []string {
	var out []string
	for i, l := range layers {
		id := l.DiffID.String()
		if i > 0 {
			sum := sha256.Sum256([]byte(out[i-1] + " " + id))
			id = "sha256:" + hex.EncodeToString(sum[:])
		}
		out = append(out, id)
	}
	return out
}

// lock takes the locks of all layers and sees which are missing. Whoever makes
// a layer holds its lock until it is in the store, so that of several pulls
// one does the work. Locks are taken from the lowest layer up: a chain id
// stands for all below it, so that no two pulls can wait for each other.
func (s *stack) lock(ctx context.Context) error {
	for i, chain := range s.chains {
		s.dirs[i] = s.store.Layer(chain)
		if s.there[i] = isDir(s.dirs[i]); s.there[i] {
			continue
		}
		lock, err := s.store.LockLayer(ctx, chain)
		if err != nil {
			return err
		}
		if s.there[i] = isDir(s.dirs[i]); s.there[i] {
			if err := lock.Release(); err != nil {
				return err
			}
			continue
		}
		s.locks = append(s.locks, lock)
	}
	return nil
}

func (s *stack) unlock() {
	for _, l := range s.locks {
		_ = l.Release() // a lock ends with its file, which was never written to
	}
}

func isDir(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}

// install has the layers of an image in the store when it returns without an
// error. Blobs are fetched side by side, and unpacked in order as they come.
func (p *puller) install(ctx context.Context, layers []source.Layer) (*stack, error) {
	n := len(layers)
	s := &stack{
		puller: p, layers: layers, chains: chainIDs(layers), there: make([]bool, n), dirs: make([]string, n),
		fetched: make([]chan bool, n), budget: unpack.NewBudget(p.Limits),
	}
	if err := checkSizes(layers, p.Limits); err != nil {
		return nil, err
	}
	defer s.unlock()
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	for i := range layers {
		s.fetched[i] = make(chan bool, 1)
		s.report(i)(Waiting, 0)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.fetchAll(ctx) })
	group.Go(func() error { return s.unpackAll(ctx) })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return s, s.publish()
}

// checkSizes refuses what could only be refused later.
func checkSizes(layers []source.Layer, limits bounds.Limits) error {
	var total int64
	most := limits.Bytes + limits.Entries*unpack.TarOverhead
	for _, l := range layers {
		if l.Size > most-total {
			return bounds.Over("--max-bytes", "more than %s in its layers", bounds.Size(limits.Bytes))
		}
		total += max(l.Size, 0)
	}
	return nil
}

// report gives what tells how layer i comes along.
func (s *stack) report(i int) func(Stage, int64) {
	return func(stage Stage, n int64) {
		s.Progress(Progress{
			Layer: i + 1, Layers: len(s.layers), Blob: s.layers[i].Digest.String(),
			Stage: stage, Bytes: n, Total: s.layers[i].Size,
		})
	}
}

// fetchAll fetches the blobs that are missing.
func (s *stack) fetchAll(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, l := range s.layers {
		if s.there[i] {
			group.Go(func() error {
				if err := s.pair(ctx, i); err != nil {
					return s.at(i, err)
				}
				return nil
			})
			continue
		}
		group.Go(func() error {
			checked, err := s.blob(ctx, l, s.report(i))
			if err != nil {
				return s.at(i, err)
			}
			s.report(i)(Fetched, l.Size)
			s.fetched[i] <- checked
			return nil
		})
	}
	return group.Wait()
}

package pull

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image/unpack"
	"github.com/safe-run/safe-run/sandbox/image/view"
	"github.com/safe-run/safe-run/spec/problem"
)

// unpackAll unpacks the missing layers in order.
func (s *stack) unpackAll(ctx context.Context) error {
	for i := range s.layers {
		if s.there[i] {
			s.report(i)(Present, 0)
			continue
		}
		var checked bool
		select {
		case <-ctx.Done():
			return ctx.Err()
		case checked = <-s.fetched[i]:
		}
		err := s.unpack(ctx, i, checked)
		if errors.Is(err, errStaleBlob) {
			// Fetched anew, once: what was there before was not checked.
			if err = s.dropBlob(s.layers[i]); err == nil {
				if _, err = s.blob(ctx, s.layers[i], s.report(i)); err == nil {
					err = s.unpack(ctx, i, true)
				}
			}
		}
		if err != nil {
			return s.at(i, err)
		}
		s.report(i)(Done, 0)
	}
	return nil
}

// at says which layer err is of.
func (s *stack) at(i int, err error) error {
	what := err.Error()
	for _, said := range []struct{ twice, once string }{
		{"the layer sha256:", "sha256:"}, {"layer sha256:", "sha256:"}, {"the layer is ", "it is "},
	} {
		if rest, ok := strings.CutPrefix(what, said.twice); ok {
			what = said.once + rest
			break
		}
	}
	return &problem.Error{What: fmt.Sprintf("layer %d of %d: %s", i+1, len(s.layers), what), Hint: problem.HintOf(err), Err: err}
}

// unpack unpacks layer i in the workspace.
func (s *stack) unpack(ctx context.Context, i int, checked bool) error {
	blob, finish, err := openChecked(s.store, s.layers[i], checked)
	if err != nil {
		return err
	}
	defer blob.Close()
	// The layer's own entry for the root directory is ignored, as containerd
	// does: images are often made from a directory that only root may enter.
	name := "layer-" + strconv.Itoa(i)
	if err := s.work.discard(name); err != nil {
		return err
	}
	dir, err := s.work.mkdir(name, 0o755)
	if err != nil {
		return err
	}
	report := s.report(i)
	layer := unpack.Layer{
		Blob:   &meter{r: blob, report: func(n int64) { report(Unpacking, n) }},
		DiffID: s.layers[i].DiffID, Root: dir,
	}
	if i > 0 {
		below, err := view.Open(s.dirs[:i])
		if err != nil {
			return err
		}
		defer below.Close()
		layer.Below = below
	}
	if err := s.budget.Apply(ctx, layer); err != nil {
		if stale := finish(); errors.Is(stale, errStaleBlob) {
			return stale
		}
		return err
	}
	s.dirs[i] = dir
	return finish()
}

// publish moves finished layers to their places. All is on disk before a name
// appears, so that not even a power cut leaves half a layer.
func (s *stack) publish() error {
	if err := s.sync(); err != nil {
		return fmt.Errorf("write to disk: %w", err)
	}
	for i, chain := range s.chains {
		if s.there[i] {
			continue
		}
		if err := os.Rename(s.dirs[i], s.store.Layer(chain)); err != nil {
			return err
		}
		s.dirs[i] = s.store.Layer(chain)
	}
	return errors.Join(syncDir(filepath.Dir(s.store.Layer("x"))), syncDir(filepath.Dir(s.store.Blob("x"))))
}

func (s *stack) sync() error {
	d, err := os.Open(s.work.dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

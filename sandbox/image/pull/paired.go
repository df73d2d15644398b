package pull

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/sandbox/image/unpack"
	"github.com/safe-run/safe-run/spec/problem"
)

// paired reports whether an image of the store has layer i as this very blob.
// Another image may have the same files as another blob, compressed in another
// way.
func (s *stack) paired(i int) (bool, error) {
	digest := s.layers[i].Digest.String()
	if info, err := os.Lstat(s.store.Blob(digest)); err != nil || !info.Mode().IsRegular() {
		return false, nil
	}
	entries, err := s.store.Entries()
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		for _, l := range e.Layers {
			if l.Chain == s.chains[i] && l.Blob == digest {
				return true, nil
			}
		}
	}
	return false, nil
}

// pair has the blob of a layer whose files the store has already, and checks
// that they are what the blob holds: scanners see the blob, sandboxes the
// files.
func (s *stack) pair(ctx context.Context, i int) error {
	paired, err := s.paired(i)
	if paired || err != nil {
		return err
	}
	l := s.layers[i]
	checked, err := s.blob(ctx, l, s.report(i))
	if err == nil {
		err = s.holds(ctx, l, checked)
	}
	if errors.Is(err, errStaleBlob) {
		if err = s.dropBlob(l); err == nil {
			if _, err = s.blob(ctx, l, s.report(i)); err == nil {
				err = s.holds(ctx, l, true)
			}
		}
	}
	return err
}

// holds checks the diff id of a blob.
func (s *stack) holds(ctx context.Context, l source.Layer, checked bool) error {
	blob, finish, err := openChecked(s.store, l, checked)
	if err != nil {
		return err
	}
	defer blob.Close()
	content, err := source.Decompress(bufio.NewReaderSize(interruptible{ctx, blob}, 1<<17))
	if err != nil {
		return errors.Join(finish(), err)
	}
	defer content.Close()
	most := s.Limits.Bytes + s.Limits.Entries*unpack.TarOverhead
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(content, most+1))
	if stale := finish(); stale != nil {
		return stale
	}
	if err != nil {
		return err
	}
	if n > most {
		return bounds.Over("--max-bytes", "more than %s in a layer", bounds.Size(s.Limits.Bytes))
	}
	if got := hashOf(sum); got != l.DiffID {
		return problem.New("copy the image again", "the layer is damaged: its content is %s, the config says %s", got, l.DiffID)
	}
	return nil
}

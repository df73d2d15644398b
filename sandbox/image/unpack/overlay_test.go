package unpack

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
)

// brokenBelow cannot be looked at.
type brokenBelow struct {
	err  error
	look func()
	n    int
}

func (b *brokenBelow) Lstat(string) (fs.FileInfo, error) {
	b.n++
	b.look()
	return nil, b.err
}

func (b *brokenBelow) ReadDir(string) ([]fs.FileInfo, error) { return nil, b.err }

// TestBelowCannotBeSeen: what cannot be looked at may be there, and a whiteout
// that is left out would bring back what an image has removed.
func TestBelowCannotBeSeen(t *testing.T) {
	for _, broken := range []error{unix.EIO, unix.EMFILE} {
		below := &brokenBelow{err: broken, look: func() {}}
		err := NewBudget(bounds.Default).extract(t.Context(), whiteouts(t, 3), Layer{Root: t.TempDir(), Below: below})
		if !errors.Is(err, broken) {
			t.Errorf("below: %v; the layer: %v", broken, err)
		}
	}
	below := &brokenBelow{err: fs.ErrNotExist, look: func() {}}
	if err := NewBudget(bounds.Default).extract(t.Context(), whiteouts(t, 3), Layer{Root: t.TempDir(), Below: below}); err != nil {
		t.Error(err)
	}
}

// TestFinishEnds: what a layer removes is looked up for as long as its author
// likes.
func TestFinishEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	below := &brokenBelow{err: fs.ErrNotExist, look: cancel}
	err := NewBudget(bounds.Default).extract(ctx, whiteouts(t, 100), Layer{Root: t.TempDir(), Below: below})
	if !errors.Is(err, context.Canceled) || below.n != 1 {
		t.Errorf("%v after %d looks, want it to end after one", err, below.n)
	}
	few := bounds.Default
	few.Entries = 8
	below = &brokenBelow{err: fs.ErrNotExist, look: func() {}}
	b := NewBudget(few)
	b.visits = 8 * few.Entries
	if err := b.extract(t.Context(), whiteouts(t, 1), Layer{Root: t.TempDir(), Below: below}); err == nil || below.n != 0 {
		t.Errorf("%v after %d looks, want the budget to be kept", err, below.n)
	}
}

// whiteouts is a layer that removes n files.
func whiteouts(t *testing.T, n int) *bytes.Reader {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i := range n {
		if err := w.WriteHeader(&tar.Header{Name: ".wh.f" + string(rune('0'+i)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(out.Bytes())
}

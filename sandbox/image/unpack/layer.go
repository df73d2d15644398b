// Package unpack turns one layer of an image, a tar, into a directory that
// overlayfs can use as a layer.
//
// The tar is hostile. What no honest image has is refused before anything is
// written for it, what must not reach a disk is taken off, and all of it is
// charged to a budget.
package unpack

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	untar "github.com/containerd/containerd/v2/pkg/archive"
	"github.com/containerd/log"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sirupsen/logrus"

	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/spec/problem"
)

// Layer is one layer, and where it goes.
type Layer struct {
	Blob   io.Reader // may be compressed
	DiffID v1.Hash   // of the tar inside
	Root   string    // an empty directory
	// Below is what the layers under it have, merged; nil for the lowest.
	Below Below
}

// Apply unpacks a layer and charges it to the budget.
//
// The diff id is known only when all of the blob was read: a layer that was
// tampered with is unpacked, within its bounds and below its root, and then
// refused.
func (b *Budget) Apply(ctx context.Context, l Layer) error {
	content, err := source.Decompress(bufio.NewReaderSize(l.Blob, 1<<17))
	if err != nil {
		return err
	}
	defer content.Close()
	ahead := readAhead(&bounded{r: interruptible{ctx, content}, budget: b})
	defer ahead.Close()
	sum := sha256.New()
	diff := io.TeeReader(ahead, sum)
	if err := b.extract(ctx, diff, l); err != nil {
		return err
	}
	// Padding after the end of the tar belongs to the diff id.
	if _, err := io.Copy(io.Discard, diff); err != nil {
		return damaged(err)
	}
	if got := fmt.Sprintf("%x", sum.Sum(nil)); got != l.DiffID.Hex {
		return problem.New("copy the image again", "the layer is damaged: its content is sha256:%s, the config says %s", got, l.DiffID)
	}
	return nil
}

// extract applies the tar that r reads.
func (b *Budget) extract(ctx context.Context, r io.Reader, l Layer) error {
	f := &filter{budget: b}
	o, err := newOverlay(ctx, l, b)
	if err != nil {
		return err
	}
	defer o.close()
	_, err = untar.Apply(quiet(ctx), l.Root, r, untar.WithFilter(f.accept), untar.WithConvertWhiteout(o.convert))
	if err == nil {
		err = o.finish()
	}
	if err == nil {
		return nil
	}
	var p *problem.Error
	if errors.As(err, &p) {
		return p // without what the library says around it
	}
	if ctx.Err() != nil {
		return err
	}
	return damaged(atEntry(f.last, l.Root, err))
}

// atEntry says at which entry err happened, and shows paths as the image has
// them.
func atEntry(entry, root string, err error) error {
	return &entryError{what: fmt.Sprintf("%q: %s", entry, strings.ReplaceAll(err.Error(), root, "")), err: err}
}

type entryError struct {
	what string
	err  error
}

func (e *entryError) Error() string { return e.what }
func (e *entryError) Unwrap() error { return e.err }

// damaged names the layer's data as the culprit where the cause does not.
func damaged(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return problem.New("copy the image again", "it ends too early: %w", err)
	}
	return err
}

// quiet keeps the library's warnings from the terminal.
func quiet(ctx context.Context) context.Context {
	silent := logrus.New()
	silent.SetOutput(io.Discard)
	return log.WithLogger(ctx, logrus.NewEntry(silent))
}

// bounded charges what is read to the budget.
type bounded struct {
	r      io.Reader
	budget *Budget
}

// Read implements io.Reader. The stream itself is bounded, beside the sizes in
// its headers: a tar can go on for ever without a file in it.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.budget.stream += int64(n)
	if b.budget.stream > b.budget.limits.Bytes+b.budget.limits.Entries*TarOverhead {
		return n, bounds.Over("--max-bytes", "more than %s in its layers", bounds.Size(b.budget.limits.Bytes))
	}
	return n, err
}

// TarOverhead is what headers and padding cost an entry in a tar: up to three
// headers of 512 bytes and the padding of its content.
const TarOverhead = 2048

// interruptible is a reader that fails when ctx is done.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}

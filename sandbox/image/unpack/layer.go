package unpack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	untar "github.com/containerd/containerd/v2/pkg/archive"
	"github.com/containerd/log"
	"github.com/sirupsen/logrus"

	"github.com/safe-run/safe-run/spec/problem"
)

// tree is a root filesystem that layers are applied to.
type tree struct {
	root   string
	budget budget
	report func(layer int, read int64)
}

// apply unpacks a layer over the tree. The blob's digest and the diff id are
// known only when all of it was read: a layer that was tampered with is
// unpacked, within its bounds and below the root, and then refused with the
// whole tree.
func (t *tree) apply(ctx context.Context, number int, l layer) error {
	blob, err := l.open()
	if err != nil {
		return err
	}
	defer blob.Close()
	stored := newDigester(&meter{r: interruptible{ctx, blob}, report: func(n int64) { t.report(number, n) }})
	buffered := bufio.NewReaderSize(stored, 1<<17)
	content, err := decompress(buffered)
	if err != nil {
		return err
	}
	defer content.Close()
	diff := newDigester(&bounded{r: content, budget: &t.budget})
	if err := t.extract(ctx, diff); err != nil {
		return err
	}
	// Padding after the end of the tar belongs to the diff id.
	if _, err := io.Copy(io.Discard, diff); err != nil {
		return damaged(err)
	}
	if _, err := io.Copy(io.Discard, buffered); err != nil {
		return err
	}
	switch {
	case stored.n != l.size:
		return corrupt("layer "+l.digest.String(), fmt.Sprintf("it has %d bytes, not %d", stored.n, l.size))
	case stored.digest() != l.digest.Hex:
		return corrupt("layer "+l.digest.String(), "its digest is sha256:"+stored.digest())
	case diff.digest() != l.diffID.Hex:
		return corrupt("layer "+l.digest.String(), "its content is sha256:"+diff.digest()+", the config says "+l.diffID.String())
	}
	return nil
}

// extract applies the tar that r reads.
func (t *tree) extract(ctx context.Context, r io.Reader) error {
	f := &filter{budget: &t.budget}
	w := &whiteouts{root: t.root, budget: &t.budget, ours: map[string]struct{}{}}
	_, err := untar.Apply(quiet(ctx), t.root, r,
		untar.WithFilter(f.accept), untar.WithConvertWhiteout(w.convert))
	switch {
	case err == nil:
		return nil
	case problem.HintOf(err) != "" || ctx.Err() != nil:
		return err
	}
	return damaged(atEntry(f.last, t.root, err))
}

// atEntry says at which entry err happened, and shows paths as the image has
// them.
func atEntry(entry, root string, err error) error {
	var p *problem.Error
	if errors.As(err, &p) {
		return err
	}
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
	budget *budget
}

// Read implements io.Reader. The stream itself is bounded, beside the sizes in
// its headers: a tar can go on for ever without a file in it.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.budget.stream += int64(n)
	if b.budget.stream > b.budget.limits.Bytes+b.budget.limits.Entries*tarOverhead {
		return n, over("--max-bytes", "more than %s in its layers", size(b.budget.limits.Bytes))
	}
	return n, err
}

// tarOverhead is what headers and padding cost an entry in a tar: up to three
// headers of 512 bytes and the padding of its content.
const tarOverhead = 2048

// meter reports what is read.
type meter struct {
	r      io.Reader
	report func(int64)
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.report(int64(n))
	return n, err
}

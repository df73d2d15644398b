package pull

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/source"
	"github.com/safe-run/safe-run/spec/problem"
)

const nofollow = unix.O_NOFOLLOW | unix.O_NONBLOCK

// blob has the blob of a layer in the store when it returns without an error.
// It reports whether it was read and checked just now: one that was there
// before may have been cut short by a power cut, and is checked by whoever
// reads it.
func (p *puller) blob(ctx context.Context, l source.Layer, report func(Stage, int64)) (checked bool, err error) {
	digest := l.Digest.String()
	lock, err := p.store.LockBlob(ctx, digest)
	if err != nil {
		return false, err
	}
	defer lock.Release()
	if info, err := os.Lstat(p.store.Blob(digest)); err == nil && info.Mode().IsRegular() && (l.Size < 0 || info.Size() == l.Size) {
		return false, nil
	}
	return true, p.download(ctx, l, report)
}

// partial is a blob that is not complete.
type partial struct {
	*os.File
	sum  hash.Hash
	size int64 // what is there
}

// download goes on with what an interrupted pull has left of the blob, or
// begins it.
func (p *puller) download(ctx context.Context, l source.Layer, report func(Stage, int64)) error {
	path := p.store.Partial(l.Digest.String())
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|nofollow, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	part, err := resume(f, l.Size)
	if err != nil {
		return err
	}
	resumed := part.size > 0
	if err := p.append(ctx, part, l, report); err != nil {
		return p.keepPartial(f, path, err)
	}
	if got := hex.EncodeToString(part.sum.Sum(nil)); got != l.Digest.Hex && resumed {
		// What was left may be wrong: nothing of it had been checked. Once,
		// for there is nothing to go on with now.
		if err := os.Remove(path); err != nil {
			return err
		}
		return p.download(ctx, l, report)
	} else if got != l.Digest.Hex {
		what := "layer " + l.Digest.String()
		return errors.Join(problem.New("copy the image again", "the %s is damaged: its digest is sha256:%s", what, got), os.Remove(path))
	}
	return os.Rename(path, p.store.Blob(l.Digest.String()))
}

// keepPartial leaves what was read for the next pull, unless the disk is full
// or nothing was read.
func (p *puller) keepPartial(f *os.File, path string, err error) error {
	info, statErr := f.Stat()
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, errSize) || statErr != nil || info.Size() == 0 {
		return errors.Join(err, os.Remove(path))
	}
	return err
}

// resume hashes what f has, and leaves it ready to be written to.
func resume(f *os.File, size int64) (*partial, error) {
	part := &partial{File: f, sum: sha256.New()}
	var err error
	if part.size, err = io.Copy(part.sum, f); err != nil {
		return nil, err
	}
	if size >= 0 && part.size <= size || part.size == 0 {
		return part, nil
	}
	part.sum.Reset()
	part.size = 0
	if err := f.Truncate(0); err != nil {
		return nil, err
	}
	_, err = f.Seek(0, io.SeekStart)
	return part, err
}

// errSize says that a blob has another size than its descriptor says.
var errSize = errors.New("of another size")

func (p *puller) append(ctx context.Context, part *partial, l source.Layer, report func(Stage, int64)) error {
	report(Fetching, part.size)
	if l.Size >= 0 && part.size == l.Size {
		return nil
	}
	r, err := l.Open(ctx, part.size)
	if err != nil {
		return err
	}
	defer r.Close()
	limit := l.Size
	if limit < 0 {
		limit = p.Limits.Bytes
	}
	counted := &meter{r: interruptible{ctx, io.LimitReader(r, limit-part.size+1)}, n: part.size, report: func(n int64) { report(Fetching, n) }}
	buf := make([]byte, 256<<10)
	_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(part.File, part.sum)}, struct{ io.Reader }{counted}, buf)
	switch {
	case err != nil:
		return err
	case l.Size < 0 && counted.n > limit:
		return errors.Join(errSize, bounds.Over("--max-bytes", "more than %s in a layer", bounds.Size(limit)))
	case l.Size >= 0 && counted.n != l.Size:
		return wrongSize(l, counted.n)
	}
	return nil
}

func wrongSize(l source.Layer, got int64) error {
	how := fmt.Sprintf("more than the %d", l.Size)
	if got < l.Size {
		// What is there may be right, and is gone on with.
		return problem.New("pull it again", "the layer %s ends too early: it has %d bytes, not %d", l.Digest, got, l.Size)
	}
	return &sized{problem.New("copy the image again", "the layer %s is damaged: it has %s bytes that its descriptor says", l.Digest, how)}
}

// sized is an error about a size, as errors.Is(err, errSize) finds it.
type sized struct{ error }

func (s *sized) Unwrap() []error { return []error{s.error, errSize} }

// small puts a blob that is in memory into the store. Its digest was checked.
func (p *puller) small(digest string, data []byte) error {
	path := p.store.Blob(digest)
	if info, err := os.Lstat(path); err == nil && info.Size() == int64(len(data)) {
		if have, err := os.ReadFile(path); err == nil && string(have) == string(data) {
			return nil
		}
	}
	f, err := p.work.named("blob-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// openChecked reads a blob of the store; unless it was checked already, what
// finish says after the end is whether it is the right one.
func openChecked(s *image.Store, l source.Layer, checked bool) (r io.ReadCloser, finish func() error, err error) {
	f, err := os.OpenFile(s.Blob(l.Digest.String()), os.O_RDONLY|nofollow, 0)
	if err != nil {
		return nil, nil, err
	}
	if checked {
		return f, func() error { return nil }, nil
	}
	sum := sha256.New()
	tee := io.TeeReader(f, sum)
	finish = func() error {
		if _, err := io.Copy(io.Discard, tee); err != nil {
			return err
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != l.Digest.Hex {
			return errStaleBlob
		}
		return nil
	}
	return struct {
		io.Reader
		io.Closer
	}{tee, f}, finish, nil
}

// errStaleBlob says that a blob which was in the store is not what its name
// says: a power cut, or a failing disk.
var errStaleBlob = errors.New("a blob of the store is damaged")

// dropBlob removes a blob that turned out to be damaged.
func (p *puller) dropBlob(l source.Layer) error {
	err := os.Remove(p.store.Blob(l.Digest.String()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// meter reports how much was read.
type meter struct {
	r      io.Reader
	n      int64
	report func(int64)
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	m.report(m.n)
	return n, err
}

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

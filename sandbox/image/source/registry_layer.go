package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/spec/problem"
)

// enough bytes between two breaks give a connection its attempts back.
const enough = 1 << 20

// layerReader reads a layer's blob. When the connection breaks, it goes on
// where it was.
type layerReader struct {
	e     *endpoint
	ctx   context.Context
	d     v1.Descriptor
	at    int64
	body  *answer
	start int64 // where body starts
	fails int
	mark  int64 // where it failed last
	whole bool  // it has no ranges: what breaks starts from zero
}

// layer gives what reads a layer. The URLs that a foreign layer may name are
// not followed: they are the author's, not the registry's.
func (e *endpoint) layer(d v1.Descriptor) opener {
	return func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		if offset < 0 || offset > d.Size {
			return nil, fmt.Errorf("layer %s: offset %d is not in its %d bytes", d.Digest, offset, d.Size)
		}
		l := &layerReader{e: e, ctx: ctx, d: d, at: offset, mark: offset}
		for l.body == nil && l.at < d.Size {
			if err := l.open(); err != nil && !l.again(err) {
				return nil, l.explain(err)
			}
		}
		return l, nil
	}
}

// Read implements io.Reader. It gives no more bytes than the manifest says.
func (l *layerReader) Read(p []byte) (int, error) {
	for l.at < l.d.Size {
		if l.body == nil {
			if err := l.open(); err != nil {
				if !l.again(err) {
					return 0, l.explain(err)
				}
				continue
			}
		}
		n, err := l.body.Read(p[:min(int64(len(p)), l.d.Size-l.at)])
		l.at += int64(n)
		if err != nil && l.at < l.d.Size {
			err = l.broken(err)
		} else {
			err = nil
		}
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
	return 0, io.EOF
}

// broken lets the connection go, and decides whether there shall be another.
func (l *layerReader) broken(err error) error {
	progressed := l.at-l.start >= progress
	l.body.Close()
	l.body = nil
	if errors.Is(err, io.EOF) || errors.Is(err, errNoProgress) && progressed {
		err = io.ErrUnexpectedEOF
	}
	if l.again(err) {
		return nil
	}
	return l.explain(err)
}

func (l *layerReader) again(err error) bool {
	if l.at-l.mark >= enough && !l.whole {
		l.fails = 0
	}
	l.mark = l.at
	l.fails++
	return l.fails < attempts && l.e.waitBefore(l.ctx, err, l.fails)
}

func (l *layerReader) explain(err error) error {
	if cause := context.Cause(l.ctx); cause != nil {
		return cause
	}
	why := l.e.explain(err)
	var status *statusError
	if errors.As(err, &status) && status.code == http.StatusNotFound {
		hint := "push the image again"
		if len(l.d.URLs) > 0 {
			hint = "it is a foreign layer, which is only taken from the registry itself: push it with the image"
		}
		return &problem.Error{What: "registry " + l.e.host + ": it does not have the layer " + l.d.Digest.String(), Hint: hint, Err: err}
	}
	return &problem.Error{What: fmt.Sprintf("layer %s, at byte %d of %d: %s", l.d.Digest, l.at, l.d.Size, why), Hint: problem.HintOf(why), Err: err}
}

// Close implements io.Closer.
func (l *layerReader) Close() error {
	if l.body == nil {
		return nil
	}
	return l.body.Close()
}

// open asks for the blob from l.at on.
func (l *layerReader) open() error {
	r := request{path: "blobs/" + l.d.Digest.String()}
	if l.at > 0 {
		r.ranges = fmt.Sprintf("bytes=%d-%d", l.at, l.d.Size-1)
	}
	a, err := l.e.once(l.ctx, r)
	if err != nil {
		return err
	}
	if err := l.check(a); err != nil {
		a.Close()
		return err
	}
	l.body, l.start = a, l.at
	return nil
}

// check sees to it that the answer starts at l.at and ends where the layer does.
func (l *layerReader) check(a *answer) error {
	length, skip := l.d.Size-l.at, int64(0)
	if a.StatusCode == http.StatusPartialContent {
		first, last, size, ok := contentRange(a.Header.Get("Content-Range"))
		if !ok || first != l.at || last != l.d.Size-1 || size >= 0 && size != l.d.Size {
			return problem.New("the registry, or a proxy before it, is broken", "it sent another part of layer %s than was asked for: %q",
				l.d.Digest, oneLine(a.Header.Get("Content-Range")))
		}
	} else {
		length, skip = l.d.Size, l.at // all of it comes again
		l.whole = true
	}
	if a.ContentLength >= 0 && a.ContentLength != length {
		return problem.New("push the image again", "it sends %d bytes for layer %s, which has %d", a.ContentLength, l.d.Digest, length)
	}
	_, err := io.CopyN(io.Discard, a, skip)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// contentRange reads "bytes FIRST-LAST/SIZE"; size is -1 for "*".
func contentRange(s string) (first, last, size int64, ok bool) {
	rest, ok := strings.CutPrefix(s, "bytes ")
	if !ok {
		return 0, 0, 0, false
	}
	span, total, ok1 := strings.Cut(rest, "/")
	from, to, ok2 := strings.Cut(span, "-")
	first, err1 := position(from)
	last, err2 := position(to)
	size, err3 := int64(-1), error(nil)
	if total != "*" {
		size, err3 = position(total)
	}
	ok = ok1 && ok2 && errors.Join(err1, err2, err3) == nil && first <= last && (size < 0 || last < size)
	return first, last, size, ok
}

// position reads digits and nothing else.
func position(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err
}

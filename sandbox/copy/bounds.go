package copy

import (
	"errors"
	"io"
)

// mostNames bounds the names that each side of one copy remembers, in bytes:
// what a container or an archive holds is its own choice. besides is what
// remembering one takes beside its name.
const (
	mostNames = 64 << 20
	besides   = 64
)

// names is how many bytes of names are remembered.
type names int

// take counts a name, unless that would be too much.
func (n *names) take(name string) bool {
	size := names(len(name) + besides)
	if *n+size > mostNames {
		return false
	}
	*n += size
	return true
}

// whole makes a plain file as long as it was when it was found, as tar(1) does:
// a log that is cut while it is read does not end an archive.
func (j Job) whole(e Entry, content io.Reader) io.Reader {
	return &padded{r: content, left: e.Size, short: func() {
		j.LeftOut(shown(e.Name) + " became shorter while it was read: zeros take the place of its end")
	}}
}

// padded reads left bytes: zeros after the end of r, of which it tells.
type padded struct {
	r     io.Reader
	left  int64
	short func()
	ended bool
}

func (p *padded) Read(b []byte) (n int, err error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	b = b[:min(int64(len(b)), p.left)]
	if !p.ended {
		n, err = p.r.Read(b)
		p.left -= int64(n)
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		if n > 0 || p.left == 0 { // the next time it is at its end again
			return n, nil
		}
		p.ended = true
		p.short()
	}
	clear(b)
	p.left -= int64(len(b))
	return len(b), nil
}

package unpack

import (
	"io"
)

// Two blocks are under way at any time: one is decompressed while the other is
// written to files.
const (
	aheadBlock  = 512 << 10
	aheadBlocks = 4
)

// ahead reads r in a goroutine of its own.
type ahead struct {
	full  chan block
	empty chan []byte
	stop  chan struct{}
	rest  []byte // of the block that is being read
	buf   []byte // the whole of it
	err   error
}

type block struct {
	buf []byte
	n   int
	err error
}

func readAhead(r io.Reader) *ahead {
	a := &ahead{full: make(chan block, aheadBlocks), empty: make(chan []byte, aheadBlocks), stop: make(chan struct{})}
	for range aheadBlocks {
		a.empty <- make([]byte, aheadBlock)
	}
	go a.run(r)
	return a
}

// run ends when r does, or when nobody reads on. It holds nothing that must
// outlive the reader: Close waits for it.
func (a *ahead) run(r io.Reader) {
	defer close(a.full)
	for {
		select {
		case <-a.stop:
			return
		case buf := <-a.empty:
			n, err := fill(r, buf)
			a.full <- block{buf, n, err}
			if err != nil {
				return
			}
		}
	}
}

// fill reads until buf is full, with the reader's own error at its end:
// io.ReadFull would make a cut stream of every end.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var got int
		got, err = r.Read(buf[n:])
		n += got
	}
	return n, err
}

// Read implements io.Reader.
func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.err != nil {
			return 0, a.err
		}
		if a.buf != nil {
			a.empty <- a.buf
			a.buf = nil
		}
		next, more := <-a.full
		if !more {
			return 0, io.ErrClosedPipe
		}
		a.buf, a.rest, a.err = next.buf, next.buf[:next.n], next.err
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close ends the reading and waits until it has ended.
func (a *ahead) Close() error {
	close(a.stop)
	for range a.full {
		// what was read and nobody wants
	}
	return nil
}

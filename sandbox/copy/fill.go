package copy

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// chunk is how much is copied between two looks whether to stop.
const chunk = 256 << 10

// fill writes the content of an entry: as much as it had when it was found, so
// that a file which grows has an end. Holes of a file stay holes, so that an
// endless one takes no room.
func (m *making) fill(ctx context.Context, to *os.File, content io.Reader) error {
	from, plain := content.(*os.File)
	if !plain {
		n, err := m.stream(ctx, to, io.LimitReader(content, m.Size))
		if err == nil && n < m.Size {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	for at := int64(0); at < m.Size; {
		start, err := from.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // nothing but a hole is left
		}
		end := m.Size
		if err != nil {
			start = at // its filesystem knows of no holes
		} else if hole, err := from.Seek(start, unix.SEEK_HOLE); err == nil {
			end = min(end, hole)
		}
		if start >= m.Size {
			break
		}
		n, err := m.section(ctx, to, io.NewSectionReader(from, start, end-start), start)
		if err != nil {
			return err
		}
		if at = start + n; n < end-start {
			return nil // it was cut meanwhile
		}
	}
	info, err := from.Stat()
	if err != nil {
		return err
	}
	return to.Truncate(min(m.Size, info.Size()))
}

func (m *making) section(ctx context.Context, to *os.File, from io.Reader, at int64) (int64, error) {
	if _, err := to.Seek(at, io.SeekStart); err != nil {
		return 0, err
	}
	return m.stream(ctx, to, from)
}

func (m *making) stream(ctx context.Context, to io.Writer, from io.Reader) (n int64, err error) {
	buf := make([]byte, chunk)
	for {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		got, readErr := from.Read(buf)
		if _, err := to.Write(buf[:got]); err != nil {
			return n, err
		}
		n += int64(got)
		m.progress(int64(got))
		if errors.Is(readErr, io.EOF) {
			return n, nil
		}
		if readErr != nil {
			var known *problem.Error
			if errors.As(readErr, &known) {
				return n, readErr
			}
			return n, problem.New("", "%s cannot be read to its end: %w", m.path(), readErr)
		}
	}
}

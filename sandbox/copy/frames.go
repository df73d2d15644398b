package copy

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"

	"github.com/safe-run/safe-run/spec/problem"
)

// Frames carry entries between the launcher and the program that reads and
// writes archives: the length of a head in four bytes, the head in JSON, and of
// a plain file its content in chunks, each with its length in front. A length of
// zero in place of a head ends the frames; in place of a chunk it says that the
// content cannot be read any further, and the head that follows says why.

// head is an Entry with names as bytes, which in JSON need not be UTF-8.
type head struct {
	Entry
	Name, Target []byte
	// Failed ends a stream whose source cannot be read any further.
	Failed, Hint string `json:",omitempty"`
}

// mostHead bounds a head: two names of a path's length, in base64.
const mostHead = 32 << 10

// Writer writes frames.
type Writer struct {
	w *bufio.Writer
	// open: a content has not been written to its end.
	open bool
}

// NewWriter writes frames to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: bufio.NewWriterSize(w, chunk)} }

// Put writes an entry, and of a plain file e.Size bytes of content.
func (w *Writer) Put(e Entry, content io.Reader) error {
	h := head{Entry: e, Name: []byte(e.Name), Target: []byte(e.Target)}
	h.Entry.Name, h.Entry.Target = "", ""
	if err := w.head(h); err != nil || e.Kind != File {
		return err
	}
	w.open = true
	for buf, left := make([]byte, min(chunk, e.Size)), e.Size; left > 0; {
		n, err := io.ReadFull(content, buf[:min(left, int64(len(buf)))])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = problem.New("copy it again", "%s ends too early", shown(e.Name))
		}
		if err != nil {
			return err
		}
		if err := w.chunk(buf[:n]); err != nil {
			return err
		}
		left -= int64(n)
	}
	w.open = false
	return nil
}

func (w *Writer) head(h head) error {
	text, err := json.Marshal(h)
	if err == nil && len(text) > mostHead {
		err = problem.New("", "the name %s is too long", shown(string(h.Name)))
	}
	if err != nil {
		return err
	}
	return w.chunk(text)
}

func (w *Writer) chunk(data []byte) error {
	if err := binary.Write(w.w, binary.BigEndian, uint32(len(data))); err != nil {
		return err
	}
	_, err := w.w.Write(data)
	return err
}

// Fail ends the frames with a reason.
func (w *Writer) Fail(reason error) error {
	if w.open {
		if err := w.chunk(nil); err != nil {
			return err
		}
	}
	if err := w.head(head{Failed: reason.Error(), Hint: problem.HintOf(reason)}); err != nil {
		return err
	}
	return w.w.Flush()
}

// Close ends the frames.
func (w *Writer) Close() error {
	if err := binary.Write(w.w, binary.BigEndian, uint32(0)); err != nil {
		return err
	}
	return w.w.Flush()
}

// ReadFrames gives every entry of a stream to emit. What emit leaves of a
// content is passed over.
func ReadFrames(r io.Reader, emit Emit) error {
	in := bufio.NewReaderSize(r, chunk)
	for {
		h, err := readHead(in)
		if h == nil || err != nil {
			return err
		}
		if err := h.give(in, emit); err != nil {
			return err
		}
	}
}

// readHead gives nil at the end.
func readHead(in io.Reader) (*head, error) {
	length, err := readLength(in)
	if length == 0 || err != nil {
		return nil, err
	}
	if length > mostHead {
		return nil, problem.New("", "an entry of %d bytes is too large", length)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(in, text); err != nil {
		return nil, cut(err)
	}
	var h head
	if err := json.Unmarshal(text, &h); err != nil {
		return nil, problem.New("", "an entry cannot be read: %w", err)
	}
	if h.Failed != "" {
		return nil, problem.New(h.Hint, "%s", h.Failed)
	}
	return &h, nil
}

func readLength(in io.Reader) (length uint32, err error) {
	if err := binary.Read(in, binary.BigEndian, &length); err != nil {
		return 0, cut(err)
	}
	return length, nil
}

func (h *head) give(in io.Reader, emit Emit) error {
	e := h.Entry
	e.Name, e.Target, e.Mode = string(h.Name), string(h.Target), e.Mode&0o7777
	if e.Kind != File {
		return emit(e, nil)
	}
	if e.Size < 0 {
		return problem.New("", "%s has %d bytes", shown(e.Name), e.Size)
	}
	content := &chunks{in: in, left: e.Size}
	if err := emit(e, content); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, content)
	return err
}

// chunks reads a content; its end is where left is zero, and nowhere else.
type chunks struct {
	in   io.Reader
	left int64  // of the content
	here uint32 // of the chunk
}

func (c *chunks) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	if c.here == 0 {
		length, err := readLength(c.in)
		if err == nil && length == 0 {
			if _, err = readHead(c.in); err == nil {
				err = cut(io.EOF)
			}
		}
		if err == nil && int64(length) > c.left {
			err = problem.New("", "a chunk of %d bytes is too large", length)
		}
		if err != nil {
			return 0, err
		}
		c.here = length
	}
	n, err := c.in.Read(p[:min(len(p), int(c.here))])
	c.here, c.left = c.here-uint32(n), c.left-int64(n)
	if err != nil {
		return n, cut(err)
	}
	return n, nil
}

// cut says that frames ended before their end.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return problem.New("copy it again", "what reads or writes the archive has ended early")
	}
	return err
}

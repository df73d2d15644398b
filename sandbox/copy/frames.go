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
// a plain file its content. A length of zero ends them.

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
type Writer struct{ w *bufio.Writer }

// NewWriter writes frames to w.
func NewWriter(w io.Writer) *Writer { return &Writer{bufio.NewWriterSize(w, chunk)} }

// Put writes an entry, and of a plain file e.Size bytes of content.
func (w *Writer) Put(e Entry, content io.Reader) error {
	h := head{Entry: e, Name: []byte(e.Name), Target: []byte(e.Target)}
	h.Entry.Name, h.Entry.Target = "", ""
	if err := w.head(h); err != nil || e.Kind != File {
		return err
	}
	_, err := io.CopyN(w.w, content, e.Size)
	if errors.Is(err, io.EOF) {
		err = problem.New("copy it again", "%s became shorter while it was copied", shown(e.Name))
	}
	return err
}

func (w *Writer) head(h head) error {
	text, err := json.Marshal(h)
	if err == nil && len(text) > mostHead {
		err = problem.New("", "the name %s is too long", shown(string(h.Name)))
	}
	if err != nil {
		return err
	}
	if err := binary.Write(w.w, binary.BigEndian, uint32(len(text))); err != nil {
		return err
	}
	_, err = w.w.Write(text)
	return err
}

// Fail ends the frames with a reason.
func (w *Writer) Fail(reason error) error {
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
		var length uint32
		if err := binary.Read(in, binary.BigEndian, &length); err != nil {
			return cut(err)
		}
		if length == 0 {
			return nil
		}
		if length > mostHead {
			return problem.New("", "an entry of %d bytes is too large", length)
		}
		text := make([]byte, length)
		if _, err := io.ReadFull(in, text); err != nil {
			return cut(err)
		}
		var h head
		if err := json.Unmarshal(text, &h); err != nil {
			return problem.New("", "an entry cannot be read: %w", err)
		}
		if h.Failed != "" {
			return problem.New(h.Hint, "%s", h.Failed)
		}
		if err := h.give(in, emit); err != nil {
			return err
		}
	}
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
	content := &io.LimitedReader{R: in, N: e.Size}
	if err := emit(e, content); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, content); err != nil {
		return cut(err)
	}
	if content.N > 0 {
		return cut(io.EOF)
	}
	return nil
}

// cut says that frames ended before their end.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return problem.New("see what it says above", "the archive's reader or writer has ended early")
	}
	return err
}

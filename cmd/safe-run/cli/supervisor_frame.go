package cli

import (
	"encoding/binary"
	"encoding/json"
	"io"

	"github.com/safe-run/safe-run/spec/problem"
)

// What goes over the control socket is frames: a kind, the length in four
// bytes, the most significant first, and so many bytes.
const (
	frameRequest = 'R' // JSON: what the client wants; the first frame
	frameStdout  = '1'
	frameStderr  = '2'
	frameStdin   = '0'
	frameSize    = 'S' // JSON: rows and columns of the client's terminal
	frameSignal  = 'K' // JSON: a signal's number
	frameEnd     = 'E' // JSON: how the container ended
	frameFailure = 'F' // JSON: why what the client wants is not done
	frameHealth  = 'H' // JSON: what a check of health said
)

// maxFrame bounds a frame that is read.
const maxFrame = 64 << 10

// writeFrame writes one frame at once, so that frames of several writers stay
// whole.
func writeFrame(w io.Writer, kind byte, data []byte) error {
	_, err := w.Write(frame(kind, data))
	return err
}

func frame(kind byte, data []byte) []byte {
	b := make([]byte, 5, 5+len(data))
	b[0] = kind
	binary.BigEndian.PutUint32(b[1:], uint32(len(data)))
	return append(b, data...)
}

// frameOf is a frame of JSON; v is a value of ours that can be written.
func frameOf(kind byte, v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		data = []byte("{}")
	}
	return frame(kind, data)
}

// readFrame reads one frame.
func readFrame(r io.Reader) (kind byte, data []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, problem.New("restart it with this version", "the supervisor speaks another language: a frame of %d bytes", n)
	}
	data = make([]byte, n)
	_, err = io.ReadFull(r, data)
	return head[0], data, err
}

// request is what a client of the control socket wants.
type request struct {
	// Verb is "attach", "stop", "signal", "wait" or "health".
	Verb string `json:"verb"`
	// Grace is the time until SIGKILL in milliseconds; nil: the container's own.
	Grace  *int64 `json:"grace,omitempty"`
	Signal int    `json:"signal,omitempty"`
}

// size is that of a terminal.
type termSize struct {
	Rows    uint16 `json:"rows"`
	Columns uint16 `json:"columns"`
}

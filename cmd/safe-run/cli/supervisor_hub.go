package cli

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/safe-run/safe-run/sandbox/ledger"
)

// hub passes on what a container writes, to its log and to who is attached,
// and what they type to the container.
type hub struct {
	log         *ledger.Log
	settler     settler
	out, err    *ledger.Stream
	copied      chan struct{} // closed when a terminal's output has ended
	mu          sync.Mutex
	clients     map[*client]bool
	input       *io.PipeWriter
	master      *os.File
	inputReader *io.PipeReader
}

func newHub(log *ledger.Log) *hub {
	h := &hub{log: log, clients: map[*client]bool{}}
	h.out, h.err = log.Stream(ledger.Stdout), log.Stream(ledger.Stderr)
	return h
}

// client is one connection. What it is sent waits in a queue.
type client struct {
	conn     *net.UnixConn
	attached bool // it gets the output; others get the end only
	queue    chan []byte
	done     chan struct{}
}

// The most frames that wait for a client, how long a container waits for one
// that reads no more, and how long a supervisor that is about to end does.
const (
	queued         = 64
	clientPatience = time.Second
	lastPatience   = 2 * time.Second
)

// add makes a client of a connection.
func (h *hub) add(conn *net.UnixConn, attached bool) *client {
	c := &client{conn: conn, attached: attached, queue: make(chan []byte, queued), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		defer conn.Close()
		for data := range c.queue {
			if _, err := conn.Write(data); err != nil {
				h.drop(c)
			}
		}
	}()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients[c] = true
	return c
}

// drop ends a client; what waits for it is still sent.
func (h *hub) drop(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dropLocked(c)
}

func (h *hub) dropLocked(c *client) {
	if h.clients[c] {
		delete(h.clients, c)
		close(c.queue)
	}
}

// send gives data to the clients that want it. One that has stopped reading is
// dropped after a moment: the container must not wait for it.
func (h *hub) send(data []byte, wants func(*client) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		if !wants(c) {
			continue
		}
		select {
		case c.queue <- data:
			continue
		default:
		}
		select {
		case c.queue <- data:
		case <-time.After(clientPatience):
			_ = c.conn.SetWriteDeadline(time.Now())
			h.dropLocked(c)
		}
	}
}

// output is one stream of the container.
type output struct {
	hub  *hub
	kind byte
	log  *ledger.Stream
}

// Write implements io.Writer; it never fails.
func (o *output) Write(p []byte) (int, error) {
	o.hub.settler.work()
	_, _ = o.log.Write(p)
	if o.hub.watched() {
		for rest := p; len(rest) > 0; {
			n := min(len(rest), maxFrame)
			o.hub.send(frame(o.kind, rest[:n]), func(c *client) bool { return c.attached })
			rest = rest[n:]
		}
	}
	return len(p), nil
}

func (h *hub) watched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.clients) > 0
}

// outputs are the container's standard output and error.
func (h *hub) outputs() (stdout, stderr io.Writer) {
	return &output{h, frameStdout, h.out}, &output{h, frameStderr, h.err}
}

// openInput is the container's standard input: what clients type, and no end.
func (h *hub) openInput() io.Reader {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inputReader, h.input = io.Pipe()
	return h.inputReader
}

// terminal copies what comes out of the container's terminal.
func (h *hub) terminal(master *os.File, to io.Writer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.master, h.copied = master, make(chan struct{})
	go func(copied chan struct{}) {
		defer close(copied)
		_, _ = io.Copy(to, master)
	}(h.copied)
}

// typed passes on what a client types.
func (h *hub) typed(data []byte) error {
	h.mu.Lock()
	var to io.Writer
	if h.master != nil {
		to = h.master
	} else if h.input != nil {
		to = h.input
	}
	h.mu.Unlock()
	if to == nil {
		return errors.New("it has no standard input")
	}
	_, err := to.Write(data)
	return err
}

// endInput is the end of what the container reads, unless it has a terminal.
func (h *hub) endInput() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.input != nil && h.master == nil {
		h.input.Close()
	}
}

// drain waits for the last of the output of a container that has ended.
func (h *hub) drain() {
	h.mu.Lock()
	copied, input := h.copied, h.inputReader
	h.master, h.copied, h.input, h.inputReader = nil, nil, nil, nil
	h.mu.Unlock()
	if input != nil {
		input.Close() // who types does not wait any more
	}
	if copied != nil {
		<-copied
	}
	h.flush()
}

// flush ends last lines that have no end.
func (h *hub) flush() {
	h.out.Flush()
	h.err.Flush()
}

// ended tells the clients how the container ended; who waits for the end is
// told of the last one only.
func (h *hub) ended(end ledger.State) {
	last := end.Status != ledger.Restarting
	h.send(frameOf(frameEnd, end), func(c *client) bool { return c.attached || last })
}

// close ends all clients, once they have what is theirs, and the log.
func (h *hub) close() {
	h.mu.Lock()
	var left []*client
	for c := range h.clients {
		_ = c.conn.SetWriteDeadline(time.Now().Add(lastPatience))
		h.dropLocked(c)
		left = append(left, c)
	}
	h.mu.Unlock()
	for _, c := range left {
		<-c.done
	}
	_ = h.log.Close()
}

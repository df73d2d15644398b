package cli

import (
	"encoding/json"
	"net"
	"syscall"
	"time"

	"github.com/containerd/console"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// requestPatience bounds the time that a client takes to say what it wants.
const requestPatience = 10 * time.Second

// serve answers on the control socket until it is closed by the end of the
// process.
func (s *supervisor) serve(listener *net.UnixListener) {
	for {
		conn, err := ledger.Accept(listener)
		if err != nil {
			return
		}
		go s.answer(conn)
	}
}

// answer does what one client wants.
func (s *supervisor) answer(conn *net.UnixConn) {
	s.hub.settler.work()
	_ = conn.SetReadDeadline(time.Now().Add(requestPatience))
	kind, data, err := readFrame(conn)
	var r request
	if err != nil || kind != frameRequest || json.Unmarshal(data, &r) != nil {
		conn.Close()
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	switch r.Verb {
	case "attach":
		s.book.Emit(s.about().Event(event.Attach))
		s.listen(s.hub.add(conn, true))
	case "wait":
		s.listen(s.hub.add(conn, false))
	case "stop":
		c := s.hub.add(conn, false)
		var grace *time.Duration
		if r.Grace != nil {
			grace = new(time.Duration(*r.Grace) * time.Millisecond)
		}
		s.stop(grace, false)
		s.listen(c)
	case "signal":
		defer conn.Close()
		if err := s.signal(syscall.Signal(r.Signal)); err != nil {
			_, _ = conn.Write(frameOf(frameFailure, failure{Error: err.Error(), Hint: problem.HintOf(err)}))
			return
		}
		_ = writeFrame(conn, frameRequest, nil)
	case "health":
		defer conn.Close()
		check, err := s.checkNow()
		if err != nil {
			_, _ = conn.Write(frameOf(frameFailure, failure{Error: err.Error(), Hint: problem.HintOf(err)}))
			return
		}
		_, _ = conn.Write(frameOf(frameHealth, check))
	default:
		_, _ = conn.Write(frameOf(frameFailure, failure{Error: "the supervisor is of another version"}))
		conn.Close()
	}
}

// listen takes what a client sends, until it goes away.
func (s *supervisor) listen(c *client) {
	defer s.hub.drop(c)
	for {
		kind, data, err := readFrame(c.conn)
		if err != nil {
			return
		}
		switch kind {
		case frameStdin:
			if len(data) == 0 {
				s.hub.endInput()
				continue
			}
			_ = s.hub.typed(data)
		case frameSize:
			var size termSize
			if json.Unmarshal(data, &size) == nil {
				s.hub.resize(size)
			}
		case frameSignal:
			var sig int
			if json.Unmarshal(data, &sig) == nil {
				_ = s.signal(syscall.Signal(sig))
			}
		}
	}
}

// resize gives the container's terminal a size.
func (h *hub) resize(size termSize) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.master == nil {
		return
	}
	if remote, err := console.ConsoleFromFile(h.master); err == nil {
		_ = remote.Resize(console.WinSize{Height: size.Rows, Width: size.Columns})
	}
}

// ask sends a request to the supervisor of a container.
func ask(book *ledger.Ledger, id string, r request) (*net.UnixConn, error) {
	conn, err := book.Dial(id)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(frameOf(frameRequest, r)); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// answerOf reads one answer: nil when it is done.
func answerOf(conn *net.UnixConn) (kind byte, data []byte, err error) {
	kind, data, err = readFrame(conn)
	if err == nil && kind == frameFailure {
		var f failure
		if json.Unmarshal(data, &f) == nil {
			return kind, nil, problem.New(f.Hint, "%s", f.Error)
		}
	}
	return kind, data, err
}

// awaitEnd reads frames until the container has ended.
func awaitEnd(conn *net.UnixConn) (ledger.State, error) {
	for {
		kind, data, err := answerOf(conn)
		if err != nil {
			return ledger.State{}, err
		}
		var end ledger.State
		if kind == frameEnd && json.Unmarshal(data, &end) == nil {
			return end, nil
		}
	}
}

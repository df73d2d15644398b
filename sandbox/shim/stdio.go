package shim

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/safe-run/safe-run/sandbox/runc"
)

// stdio is where containerd wants the streams of a process: paths of fifos, or
// file:// and binary:// for logs.
type stdio struct {
	stdin, stdout, stderr string
	terminal              bool
}

// streams are those of one process, and what copies them.
type streams struct {
	in, out, err *os.File // the process's own ends
	socket       *os.File // over which its terminal comes
	console      *os.File // where this process takes the terminal from

	terminal *os.File // the master
	hold     *os.File // keeps standard input open, until CloseIO
	keep     []io.Closer
	wires    []wire
	program  *logProgram

	copies sync.WaitGroup
	mu     sync.Mutex // terminal, hold and closed
	closed bool
}

// wire is a copy to be made: it begins when the process has been started.
type wire struct {
	to, from *os.File
	last     bool // to is closed at the end, so that its reader sees the end
	output   bool // the end of the process waits for it
}

// logged is whose streams a program for logs is told that it gets.
type logged struct{ id, namespace string }

// lastOutput bounds the wait for output that a process left behind keeps open,
// or that nobody reads.
const lastOutput = 10 * time.Second

// openStreams opens what containerd named, and makes the pipes between it and
// the process, which never gets containerd's own descriptors.
func openStreams(c *runc.Bundle, io stdio, who logged) (*streams, error) {
	s := &streams{}
	err := s.open(io, who)
	if err == nil && !io.terminal {
		err = c.Own(s.in, s.out, s.err)
	}
	if err != nil {
		s.handedOver()
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *streams) open(io stdio, who logged) (err error) {
	if io.terminal {
		return s.openTerminal(io, who)
	}
	if s.in, err = s.input(io.stdin); err != nil {
		return err
	}
	to, err := url.Parse(io.stdout)
	if err != nil {
		return fmt.Errorf("unable to parse stdout uri: %w", err)
	}
	switch to.Scheme {
	case "binary", "binary-v2":
		if s.program, err = startLogProgram(to, who); err != nil {
			return err
		}
		s.out, s.err = s.program.stdout, s.program.stderr
		return nil
	case "file":
		file, err := openLogFile(to.Path)
		if err != nil {
			return err
		}
		s.keep = append(s.keep, file)
		if s.out, err = s.pipeTo(file, false); err != nil {
			return err
		}
		s.err, err = s.pipeTo(file, false)
		return err
	case "", "fifo":
		if s.out, err = s.outputTo(io.stdout); err != nil {
			return err
		}
		s.err, err = s.outputTo(io.stderr)
		return err
	}
	return fmt.Errorf("unknown STDIO scheme %s", to.Scheme)
}

// input gives the reading end of standard input.
func (s *streams) input(name string) (*os.File, error) {
	if name == "" {
		return os.Open(os.DevNull)
	}
	from, err := s.stdin(name)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.keep = append(s.keep, w)
	s.wires = append(s.wires, wire{to: w, from: from, last: true})
	return r, nil
}

// stdin opens the fifo of standard input, and holds it open: clients come and
// go, and its end is told by CloseIO.
func (s *streams) stdin(name string) (*os.File, error) {
	from, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("stdin: %w", err)
	}
	s.keep = append(s.keep, from)
	if s.hold, err = os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0); err != nil {
		return nil, fmt.Errorf("stdin: %w", err)
	}
	return from, nil
}

// output gives the writing end of a stream that goes to a fifo or a file.
func (s *streams) outputTo(name string) (*os.File, error) {
	if name == "" {
		return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	to, err := openOutput(name)
	if err != nil {
		return nil, err
	}
	s.keep = append(s.keep, to)
	return s.pipeTo(to, true)
}

func (s *streams) pipeTo(to *os.File, last bool) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.keep = append(s.keep, r)
	s.wires = append(s.wires, wire{to: to, from: r, last: last, output: true})
	return w, nil
}

// openOutput opens what output goes to.
func openOutput(name string) (*os.File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Mode()&os.ModeNamedPipe == 0 {
		return os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	}
	return openFifo(name)
}

// readerComes bounds the wait for whoever is to read a fifo.
const readerComes = 5 * time.Second

// openFifo opens a fifo for writing once it has a reader, so that the reader of a
// process that ends at once does not come too late. It is then held open for
// reading too: when its reader goes, and perhaps comes again, writing waits and
// does not fail.
func openFifo(name string) (*os.File, error) {
	pause := time.Millisecond
	for deadline := time.Now().Add(readerComes); ; time.Sleep(pause) {
		w, err := os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err != nil && !errors.Is(err, syscall.ENXIO) {
			return nil, err
		}
		if err == nil || time.Now().After(deadline) {
			both, failed := os.OpenFile(name, os.O_RDWR|syscall.O_NONBLOCK, 0)
			if err == nil {
				w.Close()
			}
			return both, failed
		}
		pause = min(2*pause, 20*time.Millisecond)
	}
}

func openLogFile(name string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
}

// handedOver closes what the process has of its own by now.
func (s *streams) handedOver() {
	for _, f := range []*os.File{s.in, s.out, s.err, s.socket} {
		if f != nil {
			f.Close()
		}
	}
	s.in, s.out, s.err, s.socket = nil, nil, nil, nil
}

// attach begins the copies.
func (s *streams) attach() error {
	if s.console != nil {
		if err := s.takeTerminal(); err != nil {
			return err
		}
	}
	for _, w := range s.wires {
		if w.output {
			s.copies.Add(1)
		}
		go s.carry(w)
	}
	return nil
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 16<<10); return &b }}

func (s *streams) carry(w wire) {
	buffer := buffers.Get().(*[]byte)
	// Without the methods of *os.File, which would bring buffers of their own. A
	// terminal's master ends with EIO when the last process has closed its side.
	_, _ = io.CopyBuffer(struct{ io.Writer }{w.to}, struct{ io.Reader }{w.from}, *buffer)
	buffers.Put(buffer)
	if w.last {
		w.to.Close()
	}
	if w.output {
		s.copies.Done()
	}
}

// closeInput ends standard input, when its clients have closed it too.
func (s *streams) closeInput() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hold != nil {
		s.hold.Close()
		s.hold = nil
	}
}

// finish waits for the last of the output, and closes everything.
func (s *streams) finish() {
	if s == nil {
		return
	}
	drained := make(chan struct{})
	go func() { s.copies.Wait(); close(drained) }()
	select {
	case <-drained:
	case <-time.After(lastOutput):
	}
	s.close()
}

// close closes everything; copies that are under way end with it.
func (s *streams) close() {
	s.closeInput()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	for _, c := range s.keep {
		c.Close()
	}
	if s.console != nil {
		s.console.Close()
	}
	if s.terminal != nil {
		s.terminal.Close()
	}
	if s.program != nil {
		s.program.end()
	}
}

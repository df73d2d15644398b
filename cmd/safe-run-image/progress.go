package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/safe-run/safe-run/sandbox/image/pull"
)

const (
	// patience is how long an image may take before anything is said.
	patience = time.Second
	// Then a line is written this often: over the last one on a terminal, and
	// below it in a log.
	terminalPace = 200 * time.Millisecond
	logPace      = 10 * time.Second
)

// progress writes how far an image is, when it takes long.
type progress struct {
	w        io.Writer
	what     string
	quiet    bool
	mu       sync.Mutex
	bytes    map[int]int64
	terminal bool
	next     time.Time
	shown    bool
}

func newProgress(w io.Writer, what string, quiet bool) *progress {
	f, isFile := w.(*os.File)
	return &progress{
		w: w, what: what, quiet: quiet,
		terminal: isFile && term.IsTerminal(int(f.Fd())),
		next:     time.Now().Add(patience),
		bytes:    map[int]int64{},
	}
}

func (p *progress) show(s pull.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes[s.Layer] = s.Bytes
	now := time.Now()
	if p.quiet || now.Before(p.next) {
		return
	}
	var total int64
	for _, n := range p.bytes {
		total += n
	}
	line := fmt.Sprintf("%s: layer %d of %d %s, %d MiB", p.what, s.Layer, s.Layers, s.Stage, total>>20)
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K"+line)
		p.next = now.Add(terminalPace)
	} else {
		fmt.Fprintln(p.w, line)
		p.next = now.Add(logPace)
	}
	p.shown = true
}

// note says what is being tried.
func (p *progress) note(line string) {
	if !p.quiet {
		fmt.Fprintln(p.w, line)
	}
}

// end leaves a terminal with an empty line to write on.
func (p *progress) end() {
	if p.shown && p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

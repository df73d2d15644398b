package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/safe-run/safe-run/sandbox/image/unpack"
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
	terminal bool
	next     time.Time
	shown    bool
}

func newProgress(w io.Writer, what string) *progress {
	f, isFile := w.(*os.File)
	return &progress{
		w: w, what: what,
		terminal: isFile && term.IsTerminal(int(f.Fd())),
		next:     time.Now().Add(patience),
	}
}

func (p *progress) show(s unpack.Progress) {
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	line := fmt.Sprintf("unpacking %s: layer %d of %d, %d of %d MiB", p.what, s.Layer, s.Layers, s.Bytes>>20, s.Total>>20)
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K"+line)
		p.next = now.Add(terminalPace)
	} else {
		fmt.Fprintln(p.w, line)
		p.next = now.Add(logPace)
	}
	p.shown = true
}

// end leaves a terminal with an empty line to write on.
func (p *progress) end() {
	if p.shown && p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

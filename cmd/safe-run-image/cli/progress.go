package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/safe-run/safe-run/sandbox/image/pull"
)

const (
	// patience is how long an image may take before anything is said.
	patience = 500 * time.Millisecond
	// On a terminal the bars are drawn again this often; in a log a line is
	// written at most this often.
	terminalPace = 100 * time.Millisecond
	logPace      = 5 * time.Second
)

// progress shows how an image comes along: bars on a terminal, which are drawn
// over again, and plain lines elsewhere. Nothing is shown of what is quick.
type progress struct {
	mu      sync.Mutex
	w       io.Writer
	what    string // the image
	quiet   bool
	screen  *screen // nil in a log
	now     func() time.Time
	started time.Time
	layers  []layer
	note    string // what is being tried, on a terminal
	lines   int    // written to a log
	stage   pull.Stage
	next    time.Time
	stop    chan struct{}
	stopped sync.WaitGroup
}

// layer is how far one layer is.
type layer struct {
	pull.Progress
	since time.Time // when its stage began
	from  int64     // bytes that were there then
}

func newProgress(w io.Writer, what string, quiet bool) *progress {
	p := &progress{w: w, what: printable(what), quiet: quiet, now: time.Now, stop: make(chan struct{})}
	p.started = p.now()
	p.next = p.started.Add(patience)
	if f, ok := w.(*os.File); ok && !quiet && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		p.screen = newScreen(f)
		p.stopped.Go(p.keepDrawing)
	}
	return p
}

// keepDrawing draws the bars until the end, so that a stall is seen as one.
func (p *progress) keepDrawing() {
	tick := time.NewTicker(terminalPace)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
		}
	}
}

// show takes in how far a layer is. It is called from several goroutines.
func (p *progress) show(s pull.Progress) {
	if p.quiet || s.Layer < 1 || s.Layer > s.Layers {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.layers) < s.Layers {
		n := len(p.layers) + 1
		p.layers = append(p.layers, layer{Progress: pull.Progress{Layer: n, Layers: s.Layers, Stage: pull.Waiting, Total: -1}})
	}
	l := &p.layers[s.Layer-1]
	if l.Stage != s.Stage || l.since.IsZero() {
		l.since, l.from = p.now(), s.Bytes
	}
	l.Progress = s
	if p.screen == nil {
		p.log()
	}
}

// say shows what is being tried.
func (p *progress) say(line string) {
	if p.quiet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if line = printable(line); p.screen != nil {
		p.note = line
		return
	}
	fmt.Fprintln(p.w, line)
}

// tell says what shall be known afterwards, above what is drawn.
func (p *progress) tell(line string) {
	if p.quiet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.screen != nil {
		p.screen.clear()
	}
	fmt.Fprintln(p.w, printable(line))
}

// log writes a line when the stage of the image has changed, but not more than
// one in a while.
func (p *progress) log() {
	now := p.now()
	stage, finished := p.overall()
	if now.Before(p.next) || stage == p.stage && p.lines > 0 && stage != pull.Fetching {
		return
	}
	p.stage, p.next = stage, now.Add(logPace)
	p.lines++
	fmt.Fprintf(p.w, "%s: %s, %d of %s done, %s\n", p.what, stage, finished, plural(len(p.layers), "layer"), p.amount())
}

// overall is the stage of the image as a whole, and how many layers are done.
func (p *progress) overall() (stage pull.Stage, finished int) {
	stage = pull.Done
	order := []pull.Stage{pull.Fetching, pull.Unpacking, pull.Fetched, pull.Waiting}
	at := len(order)
	for _, l := range p.layers {
		if done(l.Stage) {
			finished++
			continue
		}
		for i, s := range order {
			if s == l.Stage && i < at {
				stage, at = s, i
			}
		}
	}
	return stage, finished
}

func done(s pull.Stage) bool { return s == pull.Done || s == pull.Present }

// amount is how much was fetched, and of how much where that is known.
func (p *progress) amount() string {
	var have, total int64
	for _, l := range p.layers {
		switch {
		case l.Stage == pull.Present:
			continue
		case l.Stage == pull.Fetching || l.Total < 0:
			have += l.Bytes
		case l.Stage != pull.Waiting:
			have += l.Total
		}
		if l.Total < 0 {
			total = -1
		} else if total >= 0 {
			total += l.Total
		}
	}
	if total < 0 || have >= total {
		return size(have)
	}
	return size(have) + " of " + size(total)
}

// end leaves a terminal as it was, and says how it went when something was
// said before and all went well.
func (p *progress) end(err error) {
	close(p.stop)
	p.stopped.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	shown := p.lines > 0
	if p.screen != nil {
		shown = p.screen.clear()
	}
	if !shown || err != nil {
		return
	}
	took := p.now().Sub(p.started)
	parts := []string{plural(len(p.layers), "layer"), p.amount(), fmt.Sprintf("%.1f s", took.Seconds())}
	fmt.Fprintf(p.w, "%s: %s\n", p.what, strings.Join(parts, ", "))
}

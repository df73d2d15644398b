package cli

import (
	"os"
	"os/signal"
	"sync"
)

// relay catches the signals that end a program and passes them on, first to one
// and then to another, without a moment in which they would end this process.
type relay struct {
	ch chan os.Signal
	mu sync.Mutex
	to func(os.Signal)
}

// newRelay begins to catch; nothing is passed on before somebody wants it.
func newRelay() *relay {
	r := &relay{ch: make(chan os.Signal, 16)}
	signal.Notify(r.ch, endingSignals...)
	return r
}

// pass has signals passed on to another from now on; those that came before
// anybody wanted them, too.
func (r *relay) pass(to func(os.Signal)) {
	r.mu.Lock()
	first := r.to == nil
	r.to = to
	r.mu.Unlock()
	if !first {
		return
	}
	go func() {
		for sig := range r.ch {
			r.mu.Lock()
			r.to(sig)
			r.mu.Unlock()
		}
	}()
}

// stop catches no more.
func (r *relay) stop() { signal.Stop(r.ch) }

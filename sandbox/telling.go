package sandbox

import (
	"sync"
	"time"

	"github.com/safe-run/safe-run/spec/event"
)

// telling hands denials to who wants to know of them at once, from a goroutine of
// its own: one who does not read must not keep the container waiting for its
// answers. What there is no room for is in the list at the end.
type telling struct {
	mu    sync.Mutex
	queue chan told // nil when nobody wants to know, or no more
}

// told is a denial, or a question whether all before it have been told.
type told struct {
	denial event.Denial
	all    chan struct{}
}

// mostTelling bounds what waits to be told.
const mostTelling = 1000

// tellPatience bounds the wait for one who does not read.
const tellPatience = time.Second

func newTelling(to func(event.Denial)) *telling {
	t := &telling{}
	if to == nil {
		return t
	}
	queue := make(chan told, mostTelling)
	t.queue = queue
	go func() {
		for next := range queue {
			if next.all != nil {
				close(next.all)
				continue
			}
			to(next.denial)
		}
	}()
	return t
}

// put adds to the queue, unless it is full or closed.
func (t *telling) put(next told) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case t.queue <- next: // never, where there is none
		return true
	default:
		return false
	}
}

func (t *telling) add(d event.Denial) { t.put(told{denial: d}) }

// settle waits until everything has been told, or somebody does not read.
func (t *telling) settle() {
	all := make(chan struct{})
	if !t.put(told{all: all}) {
		return
	}
	select {
	case <-all:
	case <-time.After(tellPatience):
	}
}

// close ends the goroutine; what is added from here on is not told.
func (t *telling) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queue != nil {
		close(t.queue)
		t.queue = nil
	}
}

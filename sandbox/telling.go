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
	to      func(event.Denial)
	queue   chan event.Denial
	pending sync.WaitGroup
}

// mostTelling bounds what waits to be told.
const mostTelling = 1000

// tellPatience bounds the wait for one who does not read.
const tellPatience = time.Second

func newTelling(to func(event.Denial)) *telling {
	t := &telling{to: to}
	if to == nil {
		return t
	}
	t.queue = make(chan event.Denial, mostTelling)
	go func() {
		for d := range t.queue {
			t.to(d)
			t.pending.Done()
		}
	}()
	return t
}

func (t *telling) add(d event.Denial) {
	if t.queue == nil {
		return
	}
	t.pending.Add(1)
	select {
	case t.queue <- d:
	default:
		t.pending.Done()
	}
}

// settle waits until everything has been told, or somebody does not read.
func (t *telling) settle() {
	done := make(chan struct{})
	go func() { t.pending.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(tellPatience):
	}
}

// close ends the goroutine; nothing is added any more.
func (t *telling) close() {
	if t.queue != nil {
		close(t.queue)
	}
}

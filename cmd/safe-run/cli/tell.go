package cli

import (
	"strconv"
	"syscall"
	"time"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/event"
)

// tell writes down what has happened to a container.
func (t target) tell(action string, about ...string) {
	t.book.Emit(t.Event(action, about...))
}

// tale is what there is to tell of a container in the foreground. It is told
// beside the program and after it, never before: nobody waits for it.
type tale struct {
	ledger.Container
	begun bool
}

func newTale(p *prepared, o runOptions) *tale {
	return &tale{Container: ledger.Container{
		ID: p.lease.ID, Name: p.lease.Name, Created: time.Now(), Image: p.plan.Image.Reference, Profile: p.plan.Profile, Labels: o.Request.Labels,
	}}
}

func (t *tale) emit(events ...event.Event) {
	if book, err := ledger.Open(""); err == nil {
		book.Emit(events...)
	}
}

func (t *tale) beginning() []event.Event {
	made := t.Event(event.Create)
	made.Time = t.Created
	return []event.Event{made, t.Event(event.Start)}
}

// begin is told once the program has been executed.
func (t *tale) begin() {
	t.begun = true
	t.emit(t.beginning()...)
}

// signalled tells of a signal that was passed on.
func (t *tale) signalled(sig syscall.Signal) {
	t.emit(t.Event(event.Kill, "signal", strconv.Itoa(int(sig))))
}

// end is told when nothing of the container is left; what never ran is not told
// of.
func (t *tale) end(exit *sandbox.Exit) {
	if exit == nil && !t.begun {
		return
	}
	var events []event.Event
	if !t.begun { // it ended before it was seen to run
		events = t.beginning()
	}
	events = append(events, endOf(t.Container, exit)...)
	t.emit(append(events, t.Event(event.Destroy))...)
}

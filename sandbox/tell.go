package sandbox

import (
	"errors"
	"os"
	"strconv"
	"time"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/event"
)

// ledgerEnvironment is what a warden needs to know of the environment: where the
// end of a container is written down.
func ledgerEnvironment() []string {
	if dir := os.Getenv(ledger.DirVariable); dir != "" {
		return []string{ledger.DirVariable + "=" + dir}
	}
	return []string{}
}

// noteExecuted writes down that the program has been executed, once it has, and
// tells whoever wants to know. It goes on beside the program.
func (c *Cmd) noteExecuted() {
	if !c.Executed() {
		return
	}
	select {
	case <-c.ended: // nobody will read it, and Close waits for this
	default:
		_ = c.Lease.store.Update(c.Lease.ID, func(rec *state.Record) { rec.Executed = time.Now().UTC() })
	}
	if c.Begun != nil {
		c.Begun()
	}
}

// tellLast tells of the end of a sandbox whose launcher was killed and that is
// collected now, before the last of it goes: who waits for that finds it told.
func tellLast(store *state.Store, rec state.Record) {
	if rec.Executed.IsZero() || rec.Alive() {
		return
	}
	book, err := ledger.There("")
	if err != nil || !store.FirstToTell(rec.ID) {
		return
	}
	c, _, err := book.Get(rec.ID)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return
	}
	foreground := err != nil
	if foreground {
		c = ledger.Container{ID: rec.ID, Name: rec.Name, Image: rec.Image, Profile: rec.Profile}
		if plan, err := readPlan(store.Dir(rec.ID)); err == nil {
			c.Labels = plan.OCI.Annotations
		}
	}
	words := []event.Event{c.Event(event.Die, "exitCode", "137")}
	if foreground {
		words = append(words, c.Event(event.Destroy))
	}
	book.Emit(words...)
}

// tell writes down what has happened to the sandbox.
func (l *Live) tell(action string, about ...string) { l.tellAll([]string{action}, about...) }

// tellAll does so for several events about the same.
func (l *Live) tellAll(actions []string, about ...string) {
	book, err := ledger.There("")
	if err != nil {
		return
	}
	c := ledger.Container{ID: l.record.ID, Name: l.record.Name, Image: l.record.Image, Profile: l.record.Profile, Labels: l.Plan.OCI.Annotations}
	var events []event.Event
	for _, action := range actions {
		events = append(events, c.Event(action, about...))
	}
	book.Emit(events...)
}

// tellStart tells of a process that has joined a sandbox. The checks of a
// container's health are not told of: they would push everything else out.
func (c *ExecCmd) tellStart() {
	if c.Alone == "" {
		c.id = state.NewID()
		c.Live.tellAll([]string{event.ExecCreate, event.ExecStart}, "execID", c.id)
	}
}

// tellEnd tells of its end.
func (c *ExecCmd) tellEnd(exit Exit) {
	if c.Alone == "" {
		c.Live.tell(event.ExecDie, "execID", c.id, "exitCode", strconv.Itoa(exit.Code))
	}
}

package cli

import (
	"strconv"
	"syscall"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/event"
)

// about is what the container is now: it may have been renamed.
func (s *supervisor) about() ledger.Container {
	c, _, err := s.book.Get(s.order.ID)
	if err != nil {
		return s.entry.Container
	}
	return c
}

// tellStart tells that the program has begun, before anybody can know of it
// otherwise; the first time, that the container was made, too.
func (s *supervisor) tellStart() {
	c := s.about()
	events := []event.Event{c.Event(event.Start)}
	if !s.order.Adopt && !s.made {
		s.made = true
		made := c.Event(event.Create)
		made.Time = c.Created
		events = append([]event.Event{made}, events...)
	}
	s.book.Emit(events...)
}

// tellEnd tells how the program has ended.
func (s *supervisor) tellEnd(exit *sandbox.Exit) { s.book.Emit(endOf(s.about(), exit)...) }

// endOf are the events of an end; nil is one that nobody can say more of.
func endOf(c ledger.Container, exit *sandbox.Exit) (events []event.Event) {
	if exit == nil {
		exit = &sandbox.Exit{Code: exitLauncher}
	}
	if exit.OOMKills > 0 {
		events = append(events, c.Event(event.OOM))
	}
	return append(events, c.Event(event.Die, "exitCode", strconv.Itoa(exit.Code)))
}

// send sends a signal, and tells that it has; s.mu is held, so that nobody tells
// of the end before.
func (s *supervisor) send(sig syscall.Signal) error {
	err := s.cmd.Signal(sig)
	if err == nil {
		s.book.Emit(s.about().Event(event.Kill, "signal", strconv.Itoa(int(sig))))
	}
	return err
}

// keepPlan writes the plan into the ledger, for those who look at the container
// when it does not run. It goes on beside the program.
func (s *supervisor) keepPlan(cmd *sandbox.Cmd) {
	s.keeping.Go(func() { _ = sandbox.KeepPlan(s.book, s.order.ID, cmd.Plan, cmd.Ports) })
}

// firstClient is one who is attached before the program begins.
func (s *supervisor) firstClient() {
	if s.order.attach == nil {
		return
	}
	defer s.order.attach.Close()
	if conn, err := connOf(s.order.attach); err == nil {
		s.book.Emit(s.about().Event(event.Attach))
		go s.listen(s.hub.add(conn, true))
	}
}

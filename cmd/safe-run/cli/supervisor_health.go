package cli

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/slim"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// watch checks one run of a container, again and again. There is never more
// than one check at a time, and none while the container is paused or asked to
// end.
type watch struct {
	s      *supervisor
	vitals *vitals
	cancel context.CancelFunc
	over   chan struct{}          // closed when it looks no more
	asked  chan chan ledger.Check // a check that somebody waits for

	mu   sync.Mutex
	shut bool // nothing is written down any more

	slimmed time.Time // when memory was last given back

	margin time.Duration // what this host may take beside the check
	stuck  *checking     // one that could not be ended; there is no other until it has
}

// checkGroup is the control group of a check.
const checkGroup = "safe-run-health"

// lookAfter begins to check a container that has just started, where there is a
// check.
func (s *supervisor) lookAfter(plan *spec.Health, began time.Time) {
	if plan == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{
		s: s, vitals: newVitals(*plan, began), cancel: cancel, over: make(chan struct{}),
		asked: make(chan chan ledger.Check), margin: checkMargin,
	}
	s.mu.Lock()
	s.watch = w
	s.mu.Unlock()
	w.write(func(e *ledger.Entry) { _ = e.SetHealth(ledger.Health{}) })
	go func() {
		defer close(w.over)
		go func() {
			select {
			case <-s.wake: // somebody has asked it to end
				cancel()
			case <-ctx.Done():
			}
		}()
		w.look(ctx)
	}()
}

// watchPatience bounds the time that an end waits for a check to end with it:
// the kernel is killing it.
const watchPatience = 5 * time.Second

// lookAway ends the checks and gives what they came to, as docker has it: what
// does not run is not healthy.
func (s *supervisor) lookAway() string {
	s.mu.Lock()
	w := s.watch
	s.watch = nil
	s.mu.Unlock()
	if w == nil {
		return ""
	}
	w.cancel()
	select {
	case <-w.over:
	case <-time.After(watchPatience):
	}
	w.mu.Lock()
	w.shut = true
	w.mu.Unlock()
	return ledger.HealthUnhealthy
}

// write writes something down, unless another run has begun meanwhile.
func (w *watch) write(do func(e *ledger.Entry)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.shut {
		do(w.s.entry)
	}
}

// look checks until the context ends.
func (w *watch) look(ctx context.Context) {
	for {
		timer := time.NewTimer(w.vitals.pause(time.Now()))
		var answer chan ledger.Check
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case answer = <-w.asked:
			timer.Stop()
		case <-timer.C:
		}
		check, counts := w.check(ctx)
		if counts {
			w.note(check)
		}
		if answer != nil {
			answer <- check
		}
		w.slim()
	}
}

// slim gives back the memory that a check took, now and then: it takes as long
// as the start of a process.
func (w *watch) slim() {
	if time.Since(w.slimmed) >= settledAfter {
		slim.Slim()
		w.slimmed = time.Now()
	}
}

// note counts a check and writes down what it came to.
func (w *watch) note(check ledger.Check) {
	changed := w.vitals.count(check)
	w.write(func(e *ledger.Entry) { _ = e.SetHealth(w.vitals.kept) })
	known := w.known()
	if known != w.vitals.status {
		w.write(func(*ledger.Entry) { _ = w.s.book.Change(w.s.order.ID, w.healthTo) })
	}
	if !changed {
		return
	}
	if c, _, err := w.s.book.Get(w.s.order.ID); err == nil {
		w.s.book.Emit(c.Event(event.Health, "health", w.vitals.status))
	}
	if w.vitals.status == ledger.HealthHealthy {
		w.s.o.notifier.healthy()
	}
}

// known is the health that the ledger has: a full disk may have kept the last
// one from it.
func (w *watch) known() string {
	_, now, err := w.s.book.Get(w.s.order.ID)
	if err != nil {
		return ""
	}
	return now.Health
}

// errEnded says that a container does not run any more.
var errEnded = errors.New("it has ended")

func (w *watch) healthTo(now *ledger.State) error {
	if now.Status != ledger.Running && now.Status != ledger.Paused {
		return errEnded
	}
	now.Health = w.vitals.status
	return nil
}

// endPatience is how long a check that failed waits for the news that the
// container has ended, and the check with it.
const endPatience = 100 * time.Millisecond

// check runs a check. It counts unless it was the container that stopped it.
func (w *watch) check(ctx context.Context) (check ledger.Check, counts bool) {
	check.Start = time.Now()
	defer func() { check.Start, check.End = check.Start.UTC(), time.Now().UTC() }()
	out := &checkOutput{}
	err := w.run(ctx, &check, out, func() (checkProgram, error) { return w.program(out) })
	if err != nil {
		check.ExitCode, check.Output = -1, plainText(err.Error(), false)
	}
	if check.ExitCode == 0 {
		return check, true
	}
	if errors.Is(err, errPaused) || w.paused() {
		return check, false
	}
	select {
	case <-ctx.Done():
		return check, false
	case <-time.After(endPatience):
		return check, true
	}
}

// checkNow has a check made for somebody who waits for it.
func (s *supervisor) checkNow() (ledger.Check, error) {
	s.mu.Lock()
	w := s.watch
	s.mu.Unlock()
	if w == nil {
		return ledger.Check{}, problem.New("start it with --health-cmd, or from an image that has one", "the container has no health check")
	}
	answer := make(chan ledger.Check, 1)
	select {
	case w.asked <- answer:
	case <-w.over:
		return ledger.Check{}, problem.New("`safe-run ps -a` shows how it is", "the container is not checked any more: it is asked to end")
	}
	select {
	case check := <-answer:
		return check, nil
	case <-w.over:
		return ledger.Check{}, problem.New("`safe-run ps -a` shows how it is", "the container has ended meanwhile")
	}
}

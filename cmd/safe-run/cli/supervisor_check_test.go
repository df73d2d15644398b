package cli

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// blocking is a program whose start or end takes until it is killed, or until it
// is let go, as one that somebody has stopped.
type blocking struct {
	start, wait chan struct{} // nil blocks nothing
	once        sync.Once
	killed      chan struct{}
	closed      chan struct{}
	deaf        bool // killing does nothing
}

func (b *blocking) block(on chan struct{}) error {
	if on == nil {
		return nil
	}
	select {
	case <-on:
		return nil
	case <-b.killed:
		return errors.New("killed")
	}
}

func (b *blocking) Start() error                { return b.block(b.start) }
func (b *blocking) Wait() (sandbox.Exit, error) { return sandbox.Exit{}, b.block(b.wait) }

func (b *blocking) Kill() error {
	if !b.deaf {
		b.once.Do(func() { close(b.killed) })
	}
	return nil
}

func (b *blocking) Close() error {
	close(b.closed)
	return nil
}

// checked is what a check of a program comes to, which must not take for ever.
func (w *watch) checked(t *testing.T, ctx context.Context, b *blocking) error {
	t.Helper()
	b.killed, b.closed = make(chan struct{}), make(chan struct{})
	got := make(chan error, 1)
	go func() {
		got <- w.run(ctx, &ledger.Check{}, &checkOutput{}, func() (checkProgram, error) { return b, nil })
	}()
	select {
	case err := <-got:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("the check does not end")
		return nil
	}
}

// TestCheckIsBounded: a check that a container keeps from its start or its end
// fails, and the next one is made when it has gone.
func TestCheckIsBounded(t *testing.T) {
	never := make(chan struct{})
	w := &watch{vitals: newVitals(spec.Health{Timeout: 50 * time.Millisecond}, time.Now()), margin: 500 * time.Millisecond}
	if err := w.checked(t, t.Context(), &blocking{}); err != nil {
		t.Errorf("a good one: %v", err)
	}
	for what, c := range map[string]struct {
		program *blocking
		want    string
	}{
		"start":   {&blocking{start: never}, "could not be begun"},
		"wait":    {&blocking{wait: never}, ""}, // its output says it
		"neither": {&blocking{}, ""},
	} {
		err := w.checked(t, t.Context(), c.program)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || problem.HintOf(err) == "") {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
		select {
		case <-c.program.closed:
		case <-time.After(30 * time.Second):
			t.Errorf("%s: something is left", what)
		}
	}
	for _, deaf := range []*blocking{{start: make(chan struct{}), deaf: true}, {wait: make(chan struct{}), deaf: true}} {
		if err := w.checked(t, t.Context(), deaf); err == nil || !strings.Contains(err.Error(), "has not ended within") {
			t.Errorf("one that cannot be killed: %v", err)
		}
		next := &blocking{}
		if err := w.checked(t, t.Context(), next); err == nil || !strings.Contains(err.Error(), "one before it has not ended") {
			t.Errorf("the one after it: %v", err)
		}
		for _, let := range []chan struct{}{deaf.start, deaf.wait} {
			if let != nil {
				close(let)
			}
		}
		<-deaf.closed
		if err := w.checked(t, t.Context(), &blocking{}); err != nil {
			t.Errorf("one when it has gone: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.checked(t, ctx, &blocking{start: never}); !errors.Is(err, context.Canceled) {
		t.Errorf("of a container that ends: %v", err)
	}
}

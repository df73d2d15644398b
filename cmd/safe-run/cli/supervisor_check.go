package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// checkMargin is the time that this host may take to begin a check, beside the
// check's own, and to end one that is late.
const checkMargin = 10 * time.Second

// checkProgram is a check's program; a sandbox.ExecCmd is one. Kill may be called
// at any time.
type checkProgram interface {
	Start() error
	Wait() (sandbox.Exit, error)
	Kill() error
	Close() error
}

// liveProgram is a check's program, and the container that it is in.
type liveProgram struct {
	*sandbox.ExecCmd
}

func (p liveProgram) Close() error {
	defer p.Live.Close()
	return p.ExecCmd.Close()
}

// program is the check's program, confined as the first process is, with its
// user and its environment.
func (w *watch) program(out *checkOutput) (checkProgram, error) {
	live, err := sandbox.OpenLive(state.DefaultRoot, w.s.order.ID)
	if err != nil {
		return nil, err
	}
	if paused, err := live.Paused(); err == nil && paused {
		live.Close()
		return nil, errPaused
	}
	return liveProgram{&sandbox.ExecCmd{
		Live: live, Request: spec.ExecRequest{Args: w.vitals.plan.Args}, Alone: checkGroup, Stdout: out, Stderr: out,
	}}, nil
}

// errPaused says that nothing can be checked.
var errPaused = errors.New("the container is paused")

func (w *watch) paused() bool {
	live, err := sandbox.OpenLive(state.DefaultRoot, w.s.order.ID)
	if err != nil {
		return false
	}
	defer live.Close()
	paused, err := live.Paused()
	return err == nil && paused
}

// checking is one check's program from its start to its end. All that may block
// is beside the watch: the container can hold up the start of the check and the
// end, as by a signal that stops it or by tracing it.
type checking struct {
	program checkProgram
	begun   chan struct{} // closed when it runs
	ended   chan struct{} // closed when nothing is left of it
	exit    sandbox.Exit  // once it has ended
	err     error

	kill   sync.Once
	killed chan struct{} // closed when nobody kills it any more
}

func beginCheck(program checkProgram) *checking {
	c := &checking{program: program, begun: make(chan struct{}), ended: make(chan struct{}), killed: make(chan struct{})}
	go func() {
		defer close(c.ended)
		c.err = program.Start()
		if c.err == nil {
			close(c.begun)
			c.exit, c.err = program.Wait()
		}
		c.err = errors.Join(c.err, program.Close())
	}()
	return c
}

// end kills a check and says whether it has ended within a margin. It is killed
// again and again, because it may not be where it is killed yet. Its killing has
// ended with it: the next one has a control group of the same name.
func (c *checking) end(margin time.Duration) bool {
	c.kill.Do(func() { go c.killOn() })
	late := time.NewTimer(margin)
	defer late.Stop()
	for _, over := range []chan struct{}{c.ended, c.killed} {
		select {
		case <-over:
		case <-late.C:
			return false
		}
	}
	return true
}

func (c *checking) killOn() {
	defer close(c.killed)
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		_ = c.program.Kill()
		select {
		case <-c.ended:
			return
		case <-time.After(pause):
		}
	}
}

const stuckHint = "see what else runs in it: safe-run top; a restart ends it all"

// run runs a check's program.
func (w *watch) run(ctx context.Context, check *ledger.Check, out *checkOutput, program func() (checkProgram, error)) error {
	if w.stuck != nil && !w.stuck.end(w.margin) {
		return problem.New(stuckHint, "the health check cannot be made: one before it has not ended")
	}
	w.stuck = nil
	p, err := program()
	if err != nil {
		return err
	}
	c := beginCheck(p)
	late := time.NewTimer(w.vitals.plan.Timeout + w.margin) // this host's time
	defer late.Stop()
	select {
	case <-c.begun:
		late.Reset(w.vitals.plan.Timeout) // the program's
	case <-c.ended:
	case <-late.C:
		return w.give(c, problem.New(stuckHint, "the health check could not be begun within %v", w.vitals.plan.Timeout+w.margin))
	case <-ctx.Done():
		return w.give(c, ctx.Err())
	}
	select {
	case <-c.ended:
		check.ExitCode, check.Output = c.exit.Code, out.text("")
		return c.err
	case <-late.C:
		text := fmt.Sprintf("Health check exceeded timeout (%v)", w.vitals.plan.Timeout)
		if err := w.give(c, nil); err != nil {
			return err
		}
		if len(out.text("")) > 0 {
			text += ": "
		}
		check.ExitCode, check.Output = -1, out.text(text)
		return nil
	case <-ctx.Done():
		return w.give(c, ctx.Err())
	}
}

// give gives a check up: it ends, or is kept as the one that does not. why is
// the error when it has ended.
func (w *watch) give(c *checking, why error) error {
	if c.end(w.margin) {
		return why
	}
	w.stuck = c
	return problem.New(stuckHint, "the health check has not ended within %v of being killed", w.margin)
}

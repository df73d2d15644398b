package cli

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// supervisor owns one detached container: it starts it as run does, copies what
// it writes into the log, answers on the control socket, starts it again as its
// policy says, and writes down how it ended.
type supervisor struct {
	std   IO
	o     runOptions
	order *Order
	book  *ledger.Ledger
	entry *ledger.Entry
	// first is the state before this supervisor; a start that fails goes back
	// to it.
	first ledger.State
	hub   *hub
	back  backOff

	given atomic.Int32 // the signal for which the start is given up

	told bool // the front knows that the program has started
	made bool // that the container was made has been told

	keeping sync.WaitGroup // see keepPlan and tellStopping

	mu      sync.Mutex
	cmd     *sandbox.Cmd // nil between two runs
	watch   *watch       // checks it; nil where there is nothing to check
	stopped bool         // it is to stay ended
	ordered bool         // by a signal, as when the host is shut down, and by no person
	wake    chan struct{}
	stopSig syscall.Signal
	grace   time.Duration
}

// supervise is run in a supervisor.
func supervise(ctx context.Context, std IO, o runOptions, ready *sandbox.Readiness) error {
	s := &supervisor{std: std, o: o, order: std.Order, wake: make(chan struct{})}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.catch(cancel)
	go s.watchFront(cancel)
	err := s.o.serve(std.served)
	if err == nil {
		err = s.open()
	}
	if err != nil {
		ready.Cancel()
		return launcherError(err)
	}
	err = s.live(ctx, ready)
	sig := s.given.Load()
	switch {
	case s.told:
		return nil // whoever could be told is gone; the ledger has it
	case sig != 0:
		return &exitError{Code: 128 + int(sig)} // whoever sent it knows
	}
	return err
}

// catch makes signals to the supervisor end the container in its own way.
func (s *supervisor) catch(cancel context.CancelFunc) {
	ch := make(chan os.Signal, 8)
	signal.Notify(ch, endingSignals...)
	go func() {
		for sig := range ch {
			if !s.running() {
				s.given.CompareAndSwap(0, int32(sig.(syscall.Signal)))
				cancel()
			}
			s.shutDown()
		}
	}()
}

// watchFront gives the start up when the front is gone before it has ended.
func (s *supervisor) watchFront(cancel context.CancelFunc) {
	_, _ = s.order.socket.Read(make([]byte, 1))
	s.mu.Lock()
	told := s.told
	s.mu.Unlock()
	if !told {
		cancel()
	}
}

// open finds the container in the ledger, when it is there.
func (s *supervisor) open() (err error) {
	if s.book, err = ledger.Open(""); err != nil || !s.order.Adopt {
		return err
	}
	s.entry, err = s.book.Adopt(s.order.ID)
	if errors.Is(err, ledger.ErrRunning) {
		return problem.New("`safe-run ps` shows it", "container %.12s has just been started: %w", s.order.ID, err)
	}
	if err != nil {
		return err
	}
	s.first = s.entry.State()
	s.take(s.entry.Container)
	return errors.Join(s.begin(), sandbox.Leftover(state.DefaultRoot, s.order.ID))
}

// take has what the ledger knows of its own.
func (s *supervisor) take(c ledger.Container) {
	s.o.Name, s.o.Restart, s.o.Log, s.o.AutoRemove = c.Name, c.Restart, c.Log, new(c.AutoRemove)
	s.o.knowVolumes(c)
	s.o.changed(c.Limits)
}

// live runs the container until it is not started again.
func (s *supervisor) live(ctx context.Context, ready *sandbox.Readiness) error {
	restarts := 0
	for {
		begun := time.Now()
		end, err := s.once(ctx, ready, restarts)
		if !s.told {
			return errors.Join(launcherError(err), s.giveUp())
		}
		if !again(s.restartPolicy(), end.ExitCode, s.isStopped(), restarts) || err != nil {
			return s.finish(end)
		}
		end.Status, end.Restarts = ledger.Restarting, restarts
		_ = s.entry.SetState(end)
		s.hub.ended(end)
		select {
		case <-s.wake:
			end.Status, end.Stopped = ledger.Exited, s.byPerson()
			return s.finish(end)
		case <-time.After(s.back.pause(time.Since(begun))):
		}
		if c, _, err := s.book.Get(s.order.ID); err == nil {
			s.take(c) // it may have been renamed
		}
		restarts++
		ready = sandbox.BeginAs(state.DefaultRoot, s.order.ID)
		_ = os.Chdir(s.entry.Dir) // image and mounts are named from there
	}
}

// restartPolicy is read anew: it may have been changed meanwhile.
func (s *supervisor) restartPolicy() ledger.Restart {
	c, _, err := s.book.Get(s.order.ID)
	if err != nil {
		return s.entry.Restart
	}
	return c.Restart
}

// once runs the container and gives how it ended.
func (s *supervisor) once(ctx context.Context, ready *sandbox.Readiness, restarts int) (end ledger.State, err error) {
	end = ledger.State{Status: ledger.Exited, Started: time.Now().UTC(), Restarts: restarts}
	defer func() {
		end.Finished = time.Now().UTC()
		if err != nil {
			failed := launcherError(err)
			end.ExitCode, end.Cause, end.Hint = exitCode(failed, exitLauncher), failed.Error(), problem.HintOf(failed)
		}
		end.Stopped = s.byPerson()
	}()
	p, err := prepare(ctx, s.std, s.o, taker(ready))
	if err != nil {
		return end, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := s.enter(p); err != nil {
		return end, errors.Join(err, p.giveBack())
	}
	cmd := p.command(s.std, s.o)
	if err := s.start(ctx, cmd); err != nil {
		return end, errors.Join(explainExec(p.plan, err), cmd.Close())
	}
	p = &prepared{image: p.image} // what it was made from is not needed any more
	exit, err := s.attend(cmd, restarts)
	end.Health = s.lookAway()
	s.tellEnd(cmd.Exit)
	s.keeping.Wait()
	err = errors.Join(explainExec(cmd.Plan, err), cmd.Close())
	end.ExitCode, end.OOMKilled = exit.Code, exit.Cause == sandbox.CauseOOM
	end.Cause, end.Hint = exit.Explain()
	_ = sandbox.SaveDenials(filepath.Join(s.book.Dir(s.order.ID), sandbox.DenialsFile), exit.Denials)
	return end, err
}

// start starts the container and says so.
func (s *supervisor) start(ctx context.Context, cmd *sandbox.Cmd) error {
	stdout, stderr := s.hub.outputs()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, stdout, stderr
	if s.o.Stdin {
		cmd.Stdin = s.hub.openInput()
	}
	if err := cmd.Start(ctx); err != nil {
		return err
	}
	if master := cmd.Terminal(); master != nil {
		s.hub.terminal(master, stdout)
	}
	if !cmd.Executed() {
		_, err := cmd.Wait()
		if err == nil {
			err = problem.New("try again", "the program has not begun")
		}
		return err
	}
	s.tellStart()
	s.hold(cmd)
	if s.isStopped() { // while it was being started
		s.stop(nil, false)
	}
	pid, begun := cmd.Pid()
	state := ledger.State{Status: ledger.Running, Pid: pid, PidStart: begun, Started: time.Now().UTC()}
	if cmd.Plan.Lifecycle.Health != nil {
		state.Health = ledger.HealthStarting
	}
	err := s.entry.SetState(state)
	s.lookAfter(cmd.Plan.Lifecycle.Health, time.Now())
	if err == nil && len(cmd.Ports) > 0 {
		err = s.book.Update(s.order.ID, func(c *ledger.Container) error {
			c.Ports = portTexts(cmd.Ports)
			return nil
		})
	}
	if err == nil {
		s.o.notifier.executed(s.entry.Name)
		err = s.tell()
	}
	if err != nil {
		s.lookAway()
		s.hold(nil)
		err = errors.Join(err, kill(cmd))
		s.tellEnd(cmd.Exit)
		return err
	}
	s.keepPlan(cmd)
	return nil
}

// portTexts are published ports for people.
func portTexts(ports []spec.Port) (out []string) {
	for _, p := range ports {
		out = append(out, sandbox.PortText(p))
	}
	return out
}

// attend waits for the container's end.
func (s *supervisor) attend(cmd *sandbox.Cmd, restarts int) (sandbox.Exit, error) {
	_ = os.Chdir("/") // keeps no file system busy
	s.hub.settler.after(settledAfter)
	exit, err := cmd.Wait()
	s.hub.settler.rouse()
	s.hold(nil)
	s.hub.drain()
	return exit, err
}

// tell lets the front go, and lets go of it.
func (s *supervisor) tell() error {
	if s.told {
		return nil
	}
	s.mu.Lock()
	s.told = true
	s.mu.Unlock()
	if err := json.NewEncoder(s.order.socket).Encode(started{s.entry.ID, s.entry.Name}); err != nil {
		s.mu.Lock()
		s.told = false
		s.mu.Unlock()
		return err
	}
	s.order.socket.Close()
	letGo()
	return nil
}

// giveUp leaves the ledger as it was before a start that failed.
func (s *supervisor) giveUp() error {
	if s.entry == nil {
		return nil
	}
	if s.hub != nil {
		s.hub.close()
		s.entry.Unlisten()
	}
	if !s.order.Adopt {
		err := s.entry.Remove()
		if s.made {
			s.book.Emit(s.entry.Event(event.Destroy))
		}
		return errors.Join(err, sandbox.RemoveAnonymous(state.DefaultRoot, s.entry.Container))
	}
	return errors.Join(s.entry.SetState(s.first), s.entry.Close())
}

// finish writes down how the container ended, and answers who waits for it.
// They are answered when there is no supervisor any more, so that what they do
// next is not refused for one.
func (s *supervisor) finish(end ledger.State) error {
	err := s.entry.SetState(end)
	s.entry.Unlisten()
	c, _, gerr := s.book.Get(s.order.ID)
	if gerr != nil {
		c = s.entry.Container
	}
	s.hub.flush()
	if c.AutoRemove {
		err = errors.Join(err, s.entry.Remove())
		s.book.Emit(c.Event(event.Destroy))
	} else {
		err = errors.Join(err, s.entry.Close())
	}
	s.hub.ended(end)
	s.hub.close()
	return err
}

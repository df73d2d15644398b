package cli

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

const sigKill = syscall.SIGKILL

// signalled is what signals are passed on to: a sandbox, or a further process
// of one.
type signalled interface {
	Signal(sig syscall.Signal) error
	Freeze() error
	Thaw() error
}

// signals takes the signals that are meant for the container. They are caught
// from the very beginning: one that comes while the sandbox is being made
// cancels the start, so that nothing is left behind.
type signals struct {
	ch chan os.Signal

	mu      sync.Mutex
	cmd     signalled
	cancel  context.CancelFunc
	pending syscall.Signal // came before the first process did
	asked   func(sig syscall.Signal)
	told    func(sig syscall.Signal) // called once one was passed on
}

// others lists the signals that go to the container beside the first: all but
// those that cannot be caught, the Go runtime's own (SIGURG comes many times a
// second), the faults of this process, and what concerns its children and its
// terminal. 32 to 34 belong to the C library.
func others() []os.Signal {
	list := []os.Signal{
		syscall.SIGABRT, syscall.SIGALRM, syscall.SIGVTALRM, syscall.SIGIO, syscall.SIGPWR, syscall.SIGXCPU, syscall.SIGXFSZ,
	}
	for sig := syscall.Signal(35); sig <= 64; sig++ {
		list = append(list, sig)
	}
	return list
}

// othersAfter is when the others are caught. Each takes the Go runtime two
// switches of threads, together a tenth of a launch, which a short container
// need not pay.
const othersAfter = 100 * time.Millisecond

// endingSignals are the signals that end a start, and all that is caught when the
// user wants no others passed on (--sig-proxy=false).
var endingSignals = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// catchSignals begins to catch; the context ends when a start is to be given up.
func catchSignals(ctx context.Context, proxy bool) (context.Context, *signals) {
	s := &signals{ch: make(chan os.Signal, 64)}
	ctx, s.cancel = context.WithCancel(ctx)
	first := endingSignals
	if signal.Ignored(syscall.SIGHUP) { // nohup(1)
		first = slices.DeleteFunc(slices.Clone(first), func(sig os.Signal) bool { return sig == syscall.SIGHUP })
	}
	signal.Notify(s.ch, first...)
	if proxy {
		signal.Notify(s.ch, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTSTP)
		time.AfterFunc(othersAfter, func() { signal.Notify(s.ch, others()...) })
	}
	go func() {
		for sig := range s.ch {
			s.pass(sig.(syscall.Signal))
		}
	}()
	return ctx, s
}

// pass hands one signal to the first process, or ends the start.
func (s *signals) pass(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.cmd != nil && sig == syscall.SIGTSTP:
		suspend(s.cmd)
	case s.cmd != nil:
		s.send(sig)
	default:
		for _, end := range endingSignals {
			if sig == end {
				s.pending = sig
				s.cancel()
			}
		}
	}
}

// forward passes everything on to cmd from now on.
func (s *signals) forward(cmd signalled) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cmd = cmd
	if s.pending != 0 {
		s.send(s.pending) // it came when the start was over
	}
}

// send sends a signal, and tells who wants to know of it; s.mu is held.
func (s *signals) send(sig syscall.Signal) {
	if s.asked != nil {
		s.asked(sig)
	}
	if s.cmd.Signal(sig) == nil && s.told != nil {
		s.told(sig)
	}
}

// notify has n told of signals that end the container; stop is its own.
func (s *signals) notify(n *notifier, stop string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = func(sig syscall.Signal) { n.asked(sig, stop) }
}

// suspend is Ctrl-Z without a terminal of the container's own: everything in
// it is frozen, this process stops as a shell's job does, and both go on
// together.
//
// The signal goes to this very thread, which does not get any further then
// (tgkill(2)). With kill(2) another thread may take it, and this one would
// thaw the container before the process has stopped.
func suspend(cmd signalled) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = cmd.Freeze()
	_, _, _ = syscall.Syscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(syscall.Gettid()), uintptr(syscall.SIGSTOP))
	_ = cmd.Thaw()
}

// instead gives what a start that was given up for a signal ends with: that
// signal, as for any program, and nothing to say. Other errors stay as they are.
func (s *signals) instead(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil || s.pending == 0 {
		return launcherError(err)
	}
	return &exitError{Code: 128 + int(s.pending)}
}

// stop ends the context. The signals stay caught: the process is about to end,
// and must not be ended in the middle of cleaning up.
func (s *signals) stop() { s.cancel() }

package cli

import (
	"os"
	"syscall"
	"time"

	"github.com/safe-run/safe-run/sandbox"
)

// stopSignal is a signal by its name.
func stopSignal(name string) syscall.Signal {
	if sig, ok := sandbox.SignalNumber(name); ok {
		return sig
	}
	return syscall.SIGTERM
}

// hold notes which container runs; nil is none.
func (s *supervisor) hold(cmd *sandbox.Cmd) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cmd = cmd
}

func (s *supervisor) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd != nil
}

func (s *supervisor) isStopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// byPerson says that a person ended it, and that it stays so at the next boot.
func (s *supervisor) byPerson() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped && !s.ordered
}

// shutDown is stop for a signal to the supervisor, which the host's service
// manager sends when it shuts the host down.
func (s *supervisor) shutDown() {
	s.mu.Lock()
	s.ordered = s.ordered || !s.stopped
	s.mu.Unlock()
	s.stop(nil, false)
}

// stop ends the container for good: its stop signal, and SIGKILL when grace,
// or its own time, is over.
func (s *supervisor) stop(grace *time.Duration, now bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		close(s.wake)
	}
	cmd := s.cmd
	if cmd == nil {
		return
	}
	s.tellStopping()
	wait := s.grace
	if grace != nil {
		wait = *grace
	}
	if now || wait <= 0 {
		s.end()
		return
	}
	_ = s.send(s.stopSig)
	time.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.cmd == cmd {
			s.end()
		}
	})
}

// tellStopping tells the service manager beside the stop, which one that does
// not read must not delay; s.mu is held. The end of the run waits for it.
func (s *supervisor) tellStopping() { s.keeping.Go(s.o.notifier.stopping) }

// end kills the container; s.mu is held.
func (s *supervisor) end() {
	_ = s.send(sigKill)
	_ = s.cmd.Thaw()
}

// signal passes a signal on. One that is sent to end the container counts as
// stopping it.
func (s *supervisor) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (sig == sigKill || sig == s.stopSig) && !s.stopped {
		s.stopped = true
		close(s.wake)
	}
	if s.cmd == nil {
		return os.ErrProcessDone
	}
	err := s.send(sig)
	if sig == sigKill {
		_ = s.cmd.Thaw()
	}
	return err
}

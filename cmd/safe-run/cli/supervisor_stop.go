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
	wait := s.grace
	if grace != nil {
		wait = *grace
	}
	end := func() { _ = cmd.Signal(sigKill); _ = cmd.Thaw() }
	if now || wait <= 0 {
		end()
		return
	}
	_ = cmd.Signal(s.stopSig)
	time.AfterFunc(wait, end)
}

// signal passes a signal on. One that is sent to end the container counts as
// stopping it.
func (s *supervisor) signal(sig syscall.Signal) error {
	if sig == sigKill || sig == s.stopSig {
		s.mu.Lock()
		if !s.stopped {
			s.stopped = true
			close(s.wake)
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return os.ErrProcessDone
	}
	err := s.cmd.Signal(sig)
	if sig == sigKill {
		_ = s.cmd.Thaw()
	}
	return err
}

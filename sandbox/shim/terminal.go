package shim

import (
	"errors"
	"net/url"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/runc"
)

// openTerminal opens where a terminal's output goes and its input comes from.
// The terminal itself comes with the process: see takeTerminal.
func (s *streams) openTerminal(io stdio, who logged) (err error) {
	if s.console, s.socket, err = runc.ConsolePair(); err != nil {
		return err
	}
	// Should the process end before it has sent one, nobody waits for ever.
	timeout := unix.NsecToTimeval(int64(terminalComes))
	if err := unix.SetsockoptTimeval(int(s.console.Fd()), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if io.stdin != "" {
		from, err := s.stdin(io.stdin)
		if err != nil {
			return err
		}
		s.wires = append(s.wires, wire{from: from})
	}
	to, err := url.Parse(io.stdout)
	if err != nil {
		return err
	}
	var sink *os.File
	switch to.Scheme {
	case "binary", "binary-v2":
		if s.program, err = startLogProgram(to, who); err != nil {
			return err
		}
		sink = s.program.stdout
		s.keep = append(s.keep, s.program.stderr)
	case "file":
		sink, err = openLogFile(to.Path)
	default:
		if io.stdout == "" {
			sink, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		} else {
			sink, err = openOutput(io.stdout)
		}
	}
	if err != nil {
		return err
	}
	s.keep = append(s.keep, sink)
	s.wires = append(s.wires, wire{to: sink, last: true, output: true})
	return nil
}

const terminalComes = 30 * time.Second

// takeTerminal receives the master, and completes the wires with it. It does not
// block, so that closing it ends who reads it.
func (s *streams) takeTerminal() error {
	master, err := runc.ReceiveConsole(s.console)
	if err != nil {
		return err
	}
	defer master.Close()
	fd, err := unix.FcntlInt(master.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.terminal = os.NewFile(uintptr(fd), "/dev/ptmx")
	for i := range s.wires {
		if s.wires[i].output {
			s.wires[i].from = s.terminal
		} else {
			s.wires[i].to = s.terminal
		}
	}
	return nil
}

// resize sets the size of the terminal, if there is one.
func (s *streams) resize(width, height uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terminal == nil || s.closed {
		return nil
	}
	raw, err := s.terminal.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(height), Col: uint16(width)})
	})
	return errors.Join(err, failed)
}

package sandbox

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/runc"
)

// stdio connects the first process to the launcher by pipes of its own.
//
// The launcher's own descriptors are never handed over: a terminal could be
// read and written to by the container, a log file truncated. The pipes belong
// to the container's user, so that programs can open /dev/stdout and
// /dev/stderr again.
type stdio struct {
	child   [3]*os.File // handed to the container, then closed here
	parent  []*os.File
	outputs sync.WaitGroup
	lost    [3]error // why output of the container could not be passed on
	watch   *execWatch
	copyIn  func()
}

// newStdio makes the pipes. A nil reader gives /dev/null, a nil writer too.
func newStdio(c *Cmd, uid, gid int) (*stdio, error) {
	s := new(stdio)
	if err := s.input(c.Stdin, uid, gid); err != nil {
		s.close()
		return nil, err
	}
	stderr := c.Stderr
	if stderr != nil {
		s.watch = &execWatch{out: stderr}
		stderr = s.watch
	}
	for i, w := range []io.Writer{c.Stdout, stderr} {
		if err := s.output(i+1, w, uid, gid); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *stdio) input(in io.Reader, uid, gid int) (err error) {
	if in == nil {
		s.child[0], err = os.Open(os.DevNull)
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	s.child[0], s.parent = r, append(s.parent, w)
	s.copyIn = func() {
		_, _ = io.Copy(w, in)
		w.Close()
	}
	return r.Chown(uid, gid)
}

func (s *stdio) output(i int, out io.Writer, uid, gid int) (err error) {
	if out == nil {
		s.child[i], err = os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	s.child[i], s.parent = w, append(s.parent, r)
	s.outputs.Add(1)
	go func() {
		defer s.outputs.Done()
		_, s.lost[i] = io.Copy(out, r)
		// A reader that went away must not block the container for ever.
		_, _ = io.Copy(io.Discard, r)
		r.Close()
	}()
	return w.Chown(uid, gid)
}

// started closes the container's ends and begins to feed its input. The input
// is not waited for: it may be a terminal nobody types on.
func (s *stdio) started() {
	s.closeChild()
	if s.copyIn != nil {
		go s.copyIn()
	}
}

func (s *stdio) closeChild() {
	for i, f := range s.child {
		if f != nil {
			f.Close()
			s.child[i] = nil
		}
	}
}

// endOutput bounds the time that drain takes: what comes later is not read,
// whoever holds the other end.
func (s *stdio) endOutput(at time.Time) {
	for _, f := range s.parent {
		_ = f.SetReadDeadline(at)
	}
}

// drain waits until everything that the container wrote has been passed on,
// and completes failed, which is nil when the program was run.
func (s *stdio) drain(failed *runc.ExecError) *runc.ExecError {
	s.outputs.Wait()
	if s.watch == nil {
		return failed
	}
	return s.watch.failure(failed)
}

// lostOutput says why not all that the container wrote was passed on; nil when
// it was, when whoever read it wanted no more (EPIPE), or after endOutput. Only after drain.
func (s *stdio) lostOutput() error {
	for _, err := range s.lost {
		if err != nil && !errors.Is(err, unix.EPIPE) && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	return nil
}

// close releases everything after a failed start.
func (s *stdio) close() {
	s.closeChild()
	for _, f := range s.parent {
		f.Close()
	}
}

// consolePair is the socket over which the container's init sends the master
// of its terminal.
func consolePair() (parent, child *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "console-parent"), os.NewFile(uintptr(fds[1]), "console-child"), nil
}

// SendFile sends one descriptor over a unix socket (unix(7), SCM_RIGHTS).
func SendFile(socket, file *os.File) error {
	err := unix.Sendmsg(int(socket.Fd()), []byte{0}, unix.UnixRights(int(file.Fd())), nil, 0)
	return os.NewSyscallError("sendmsg", err)
}

// ReceiveFile takes one descriptor from a unix socket: a terminal's master,
// from the container's init before it runs anything of the image's, or from
// the process that owns the container.
func ReceiveFile(socket *os.File) (*os.File, error) {
	data, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := unix.Recvmsg(int(socket.Fd()), data, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("recvmsg", err)
	}
	if n == 0 || oobn == 0 {
		return nil, errors.New("no terminal was sent")
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		return nil, errors.New("no terminal was sent")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errors.New("no terminal was sent")
	}
	return os.NewFile(uintptr(fds[0]), "/dev/ptmx"), nil
}

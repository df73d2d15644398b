package ledger

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// controlFile is the socket that a supervisor listens on.
const controlFile = "control"

// Listen makes the container's control socket; nobody but its owner reaches it.
// The socket of a supervisor that was killed is replaced.
func (e *Entry) Listen() (*net.UnixListener, error) {
	if err := unix.Unlinkat(e.dir, controlFile, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, os.NewSyscallError("unlinkat", err)
	}
	l, err := net.ListenUnix("unix", controlAddr(e.dir))
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // a path by descriptor may mean another directory by then
	return l, nil
}

// Unlisten removes the socket.
func (e *Entry) Unlisten() { _ = unix.Unlinkat(e.dir, controlFile, 0) }

// Dial connects to the supervisor of a container.
func (l *Ledger) Dial(id string) (*net.UnixConn, error) {
	dir, err := l.openDir(id)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	conn, err := dial(dir)
	if err != nil {
		return nil, problem.New("`safe-run ps -a` shows how it is", "the supervisor of %s does not answer: %w", id[:shortID], err)
	}
	if err := sameOwner(conn); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// dialPatience bounds the wait for a supervisor that is just beginning, or just
// dying: then it holds the lock and does not listen.
const dialPatience = 5 * time.Second

func dial(dir int) (*net.UnixConn, error) {
	for deadline := time.Now().Add(dialPatience); ; time.Sleep(2 * time.Millisecond) {
		conn, err := net.DialUnix("unix", nil, controlAddr(dir))
		absent := errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ENOENT)
		if !absent || !held(dir) || time.Now().After(deadline) {
			return conn, err
		}
	}
}

// controlAddr names the socket through its directory's descriptor: a path to it
// may be longer than an address can be (unix(7)).
func controlAddr(dir int) *net.UnixAddr {
	return &net.UnixAddr{Net: "unix", Name: fmt.Sprintf("/proc/self/fd/%d/%s", dir, controlFile)}
}

// sameOwner checks that the other side is this user's (unix(7), SO_PEERCRED).
func sameOwner(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	if cerr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); cerr != nil {
		return cerr
	}
	if err == nil && int(cred.Uid) != os.Geteuid() {
		err = fmt.Errorf("the control socket is another user's: %w", syscall.EPERM)
	}
	return err
}

// Accept waits for a client of the same user.
func Accept(l *net.UnixListener) (*net.UnixConn, error) {
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if sameOwner(conn) == nil {
			return conn, nil
		}
		conn.Close()
	}
}

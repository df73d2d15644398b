package service

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// Sockets are those that a service manager listens on for us.
type Sockets struct {
	Files []*os.File
	Specs []spec.Socket
}

const (
	firstSocket = 3 // SD_LISTEN_FDS_START
	mostSockets = 128
	mostName    = 255
)

const listenHint = "let systemd start safe-run from a .socket unit, or unset LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES"

// Take takes the sockets that the environment speaks of; nil when it speaks of
// none, or of those of another process. From here on no process that this one
// starts inherits them.
func Take(env func(string) string) (*Sockets, error) {
	if env("LISTEN_PID") == "" {
		return nil, nil
	}
	pid, err := strconv.ParseUint(env("LISTEN_PID"), 10, 31)
	if err != nil {
		return nil, problem.New(listenHint, "LISTEN_PID %.40q is not a process", env("LISTEN_PID"))
	}
	if int(pid) != os.Getpid() || env("LISTEN_FDS") == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(env("LISTEN_FDS"), 10, 31)
	if err != nil || n > mostSockets {
		return nil, problem.New(listenHint, "LISTEN_FDS %.40q is not a number of sockets, 0 to %d", env("LISTEN_FDS"), mostSockets)
	}
	names, err := socketNames(env("LISTEN_FDNAMES"), int(n))
	if err != nil || n == 0 {
		return nil, err
	}
	return open(firstSocket, names)
}

// socketNames takes LISTEN_FDNAMES apart. Without it all are called unknown, as
// sd_listen_fds_with_names(3) does.
func socketNames(text string, n int) ([]string, error) {
	if text == "" {
		return slices.Repeat([]string{"unknown"}, n), nil
	}
	names := strings.Split(text, ":")
	if len(names) != n {
		return nil, problem.New(listenHint, "LISTEN_FDNAMES has %d names for %d sockets", len(names), n)
	}
	for _, name := range names {
		odd := strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' })
		if name == "" || len(name) > mostName || odd {
			return nil, problem.New("set FileDescriptorName= in the .socket unit to letters and digits", "LISTEN_FDNAMES: %.60q cannot be a socket's name", name)
		}
	}
	return names, nil
}

// Adopt takes sockets that this process was started with from descriptor first
// on, one for each of want.
func Adopt(first int, want []spec.Socket) (*Sockets, error) {
	var names []string
	for _, s := range want {
		names = append(names, s.Name)
	}
	return open(first, names)
}

// open looks at the descriptors from first on. What is not a socket, or one
// that is neither listening nor of datagrams, is refused: a file or a directory
// would be a way out of the container's root.
func open(first int, names []string) (*Sockets, error) {
	s := &Sockets{}
	for i, name := range names {
		fd := first + i
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return nil, problem.New(listenHint, "LISTEN_FDS says %d sockets, but descriptor %d is not open", len(names), fd)
		}
		kind, err := inspect(fd)
		if err != nil {
			return nil, problem.New("pass sockets that listen, or take datagrams: ListenStream=, ListenSequentialPacket= or ListenDatagram=, and Accept=no",
				"descriptor %d (%s) cannot be passed: %w", fd, name, err)
		}
		kind.Name = name
		s.Specs = append(s.Specs, kind)
		s.Files = append(s.Files, os.NewFile(uintptr(fd), name))
	}
	return s, nil
}

var (
	domains = map[int]string{unix.AF_UNIX: "AF_UNIX", unix.AF_INET: "AF_INET", unix.AF_INET6: "AF_INET6"}
	types   = map[int]string{unix.SOCK_STREAM: "SOCK_STREAM", unix.SOCK_SEQPACKET: "SOCK_SEQPACKET", unix.SOCK_DGRAM: "SOCK_DGRAM"}
)

// inspect says what a descriptor is, and why it cannot be passed.
func inspect(fd int) (spec.Socket, error) {
	number := func(option int) int {
		n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
		if err != nil {
			return -1
		}
		return n
	}
	kind := number(unix.SO_TYPE)
	s := spec.Socket{Domain: domains[number(unix.SO_DOMAIN)], Type: types[kind]}
	switch {
	case kind < 0:
		return s, errors.New("it is not a socket")
	case s.Domain == "" || s.Type == "" || !plainProtocol(number(unix.SO_PROTOCOL)):
		return s, errors.New("it is neither a unix socket nor one of TCP or UDP")
	case kind != unix.SOCK_DGRAM && number(unix.SO_ACCEPTCONN) != 1:
		return s, errors.New("it does not listen")
	}
	return s, nil
}

// plainProtocol: other protocols have ways to connect of their own. MPTCP, which
// Go's listeners speak, has TCP's.
func plainProtocol(protocol int) bool {
	switch protocol {
	case 0, unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_MPTCP:
		return true
	}
	return false
}

// Close closes this process's descriptors.
func (s *Sockets) Close() {
	if s == nil {
		return
	}
	for _, f := range s.Files {
		f.Close()
	}
}

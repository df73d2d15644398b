// Package service speaks with the service manager that started this process:
// it says how a container is (sd_notify(3)), takes the sockets that the manager
// listens on (sd_listen_fds(3)), and passes on what a container may say itself.
package service

import (
	"net"
	"path"
	"strings"
	"time"

	"github.com/safe-run/safe-run/spec/problem"
)

// Manager is where a service manager listens.
type Manager struct{ address string }

// patience bounds how long a message may wait for a service manager that does
// not read.
const patience = 5 * time.Second

// Open is the manager of a NOTIFY_SOCKET: a path, or a name that begins with @
// (unix(7), abstract sockets). It fails when nobody listens there.
func Open(address string) (*Manager, error) {
	const hint = "unset NOTIFY_SOCKET, or write --sdnotify=ignore, when no service manager waits for this container"
	if abstract := len(address) > 1 && address[0] == '@'; !abstract && !path.IsAbs(address) || strings.ContainsRune(address, 0) {
		return nil, problem.New(hint, "NOTIFY_SOCKET %.100q is neither a path nor an abstract socket's name", address)
	}
	m := &Manager{address}
	conn, err := m.dial()
	if err != nil {
		return nil, problem.New(hint, "NOTIFY_SOCKET cannot be reached: %w", err)
	}
	return m, conn.Close()
}

func (m *Manager) dial() (*net.UnixConn, error) {
	return net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.address, Net: "unixgram"})
}

// Tell sends lines as one message. Each message has a connection of its own,
// because a service manager may be executed anew.
func (m *Manager) Tell(lines ...string) error {
	conn, err := m.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(strings.Join(lines, "\n")))
	return err
}

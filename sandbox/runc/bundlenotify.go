package runc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Notify passes on that the container is ready (sd_notify(3)), from a socket
// inside to the one that the service manager listens on. Nothing else that the
// container says reaches the service manager.
type Notify struct {
	host   string
	path   string
	socket *net.UnixConn
}

// insideNotify is where the container sees the socket's directory.
const insideNotify = "/run/notify"

// NewNotify is for the container id; nil when host, the value of NOTIFY_SOCKET,
// is empty.
func (b Bundles) NewNotify(host, id string) *Notify {
	if host == "" {
		return nil
	}
	return &Notify{host: host, path: filepath.Join(b.Root, filepath.Base(id), "notify", "notify.sock")}
}

// Mount gives the container the socket.
func (n *Notify) Mount(oci *specs.Spec) {
	oci.Mounts = append(oci.Mounts, specs.Mount{
		Destination: insideNotify, Source: filepath.Dir(n.path), Options: []string{"bind", "nosuid", "noexec", "nodev", "ro"},
	})
	oci.Process.Env = append(oci.Process.Env, "NOTIFY_SOCKET="+filepath.Join(insideNotify, filepath.Base(n.path)))
}

// MakeDirectory makes the socket's directory, which is mounted.
func (n *Notify) MakeDirectory() error { return os.Mkdir(filepath.Dir(n.path), 0o755) }

// Listen makes the socket.
func (n *Notify) Listen() error {
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: n.path, Net: "unixgram"})
	if err != nil {
		return err
	}
	n.socket = socket
	return os.Chmod(n.path, 0o777)
}

// Forward waits until the container is ready or alive says that it has ended,
// and tells the service manager that mainPid is the one to watch.
func (n *Notify) Forward(mainPid int, alive func() bool) error {
	client, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.host, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer client.Close()
	message := make([]byte, 4096)
	for alive() {
		if err := n.socket.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			return err
		}
		size, err := n.socket.Read(message)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err != nil {
			return err
		}
		for line := range bytes.Lines(message[:size]) {
			if bytes.HasPrefix(line, []byte("READY=")) {
				return announce(client, bytes.TrimSpace(line), mainPid)
			}
		}
	}
	return nil
}

func announce(client *net.UnixConn, ready []byte, pid int) error {
	for _, line := range [][]byte{ready, []byte("MAINPID=" + strconv.Itoa(pid))} {
		if _, err := client.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return barrier(client)
}

// barrier waits until the service manager has read what was sent: it closes the
// pipe that comes with the message (sd_notify_barrier(3)). One that does not
// know of it is not waited for longer than 30 seconds.
func barrier(client *net.UnixConn) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	defer w.Close()
	raw, err := client.File()
	if err != nil {
		return err
	}
	defer raw.Close()
	if err := unix.Sendmsg(int(raw.Fd()), []byte("BARRIER=1"), unix.UnixRights(int(w.Fd())), nil, 0); err != nil {
		return os.NewSyscallError("sendmsg", err)
	}
	w.Close()
	_ = r.SetReadDeadline(time.Now().Add(30 * time.Second))
	n, err := r.Read(make([]byte, 1))
	switch {
	case n != 0 || err == nil:
		return errors.New("unexpected read from synchronization pipe")
	case errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	}
	return fmt.Errorf("wait for the service manager: %w", err)
}

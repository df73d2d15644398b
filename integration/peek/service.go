package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// services are what a program does that a service manager started.
var services = map[string]command{
	"activated": {"", activated, 0},
	"serve":     {"TEXT", serve, 1},
	"escape":    {"ADDRESS connect|fastopen", escape, 2},
	"notify":    {"WORDS...", notify, 1},
}

// activated says which sockets this process was given, when they are its own.
func activated([]string) (string, error) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return "not for me", nil
	}
	open, err := descriptors(nil)
	return fmt.Sprintf("%s %s open %s", os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES"), open), err
}

// serve answers the first connection to the first socket.
func serve(args []string) (string, error) {
	fmt.Println(activated(nil))
	listener, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		return "", err
	}
	conn, err := listener.Accept()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_, err = fmt.Fprintln(conn, strings.Join(args, " "))
	return "ok", err
}

// escape turns the listening socket into one that connects.
func escape(args []string) (string, error) {
	to, err := netip.ParseAddrPort(args[0])
	if err != nil {
		return "", err
	}
	if err := unix.Shutdown(3, unix.SHUT_RDWR); err != nil {
		return "", err
	}
	address := &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	if args[1] == "fastopen" {
		err = unix.Sendto(3, []byte("out"), unix.MSG_FASTOPEN, address)
	} else {
		err = unix.Connect(3, address)
	}
	if err != nil {
		return "", err
	}
	return "ok", nil
}

// notify sends words as the lines of one message, with a descriptor.
func notify(args []string) (string, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	to := &unix.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")}
	return "ok", unix.Sendmsg(fd, []byte(strings.Join(args, "\n")), unix.UnixRights(1), to, 0)
}

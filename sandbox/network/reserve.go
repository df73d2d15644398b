package network

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// Reservation holds host ports, so that no one else can bind them and a port
// in use is found before anything is made. It accepts nothing: what arrives is
// translated before it would reach these sockets, and until then refused.
type Reservation struct {
	ports []spec.Port
	fds   []int
}

// Reserve binds the host ports of all ports, and chooses one where HostPort
// is 0. On an error none is held.
func Reserve(ports []spec.Port) (*Reservation, error) {
	r := &Reservation{}
	for _, p := range ports {
		p.HostIP = hostIP(p)
		if err := checkPort(p); err != nil {
			r.Close()
			return nil, err
		}
		if err := r.add(p); err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, nil
}

// Ports are the ports as they were given, with the host ports that were
// chosen.
func (r *Reservation) Ports() []spec.Port { return r.ports }

// Close gives the ports back. It may be called more than once.
func (r *Reservation) Close() error {
	var errs []error
	for _, fd := range r.fds {
		errs = append(errs, unix.Close(fd))
	}
	r.fds = nil
	return errors.Join(errs...)
}

func (r *Reservation) add(p spec.Port) error {
	if p.HostPort != 0 {
		for _, q := range r.ports {
			if q.HostPort == p.HostPort && q.Protocol == p.Protocol &&
				(q.HostIP == p.HostIP || q.HostIP.IsUnspecified() || p.HostIP.IsUnspecified()) {
				return problem.New("publish each host port once", "%s is published twice", where(p))
			}
		}
	}
	fd, err := bind(p)
	if err != nil {
		return bindProblem(p, err)
	}
	if p.HostPort == 0 {
		name, err := unix.Getsockname(fd)
		in, ok := name.(*unix.SockaddrInet4)
		if err != nil || !ok {
			unix.Close(fd)
			return fmt.Errorf("choose a port on %s: %w", p.HostIP, err)
		}
		p.HostPort = uint16(in.Port)
	}
	r.ports, r.fds = append(r.ports, p), append(r.fds, fd)
	return nil
}

// bind takes the port for itself alone: with SO_REUSEADDR, two sockets that
// do not listen may have the same.
func bind(p spec.Port) (int, error) {
	kind := unix.SOCK_STREAM
	if p.Protocol == "udp" {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(p.HostPort), Addr: hostIP(p).As4()}); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// where is a port as in an error: "127.0.0.1:8080/tcp".
func where(p spec.Port) string {
	return netip.AddrPortFrom(hostIP(p), p.HostPort).String() + "/" + p.Protocol
}

func bindProblem(p spec.Port, err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return problem.New(otherPort(p), "publish on %s: %s: %w", where(p), holder(p), err)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return problem.New("see the host's addresses: ip -br -4 address",
			"publish on %s: the host has no such address: %w", where(p), err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return problem.New("run safe-run as root, or publish on a port from 1024",
			"publish on %s: %w", where(p), err)
	}
	return explain(err, "publish on %s", where(p))
}

// otherPort is the next port that is free, as a flag.
func otherPort(p spec.Port) string {
	suffix := ""
	if p.Protocol == "udp" {
		suffix = "/udp"
	}
	for try := 0; try < 100 && p.HostPort < 65535; try++ {
		p.HostPort++
		fd, err := bind(p)
		if err != nil {
			continue
		}
		unix.Close(fd)
		ip := hostIP(p).String() + ":"
		if hostIP(p).IsUnspecified() {
			ip = ""
		}
		return fmt.Sprintf("this one is free: -p %s%d:%d%s", ip, p.HostPort, p.ContainerPort, suffix)
	}
	return "publish on another host port"
}

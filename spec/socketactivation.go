package spec

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// Socket is a socket that a service manager gave to the launcher.
type Socket struct {
	// Name is the service manager's, of printable ASCII without a colon.
	Name string `json:"name"`
	// Domain is AF_UNIX, AF_INET or AF_INET6, and Type SOCK_STREAM or
	// SOCK_SEQPACKET, which listen, or SOCK_DGRAM.
	Domain string `json:"domain"`
	Type   string `json:"type"`
}

// String is the socket for people.
func (s Socket) String() string { return s.Name + " (" + s.Domain + " " + s.Type + ")" }

// listens says that nothing can be sent by the socket itself: a unix socket
// that listens stays what it is, but see seccomp's inbound rules for TCP.
func (s Socket) listens() bool { return s.Type != "SOCK_DGRAM" }

// socketActivation hands the service manager's sockets to the program, where
// the profile allows it.
//
// A socket belongs to the network namespace that it was made in, so that one
// that listens lets the program be reached from there and gives it no other
// way to the network. What could be made of it is taken away: see inbound.
func (c *compiler) socketActivation() error {
	sockets := c.in.Request.Sockets
	if len(sockets) == 0 {
		return nil
	}
	allowed := or(c.in.Profile.Process.SocketActivation, profiles.SocketActivation{})
	if !or(allowed.Allow, false) {
		return problem.New("write process.socketActivation: {allow: true, why: ...} in the profile, or start safe-run without the .socket unit",
			"the service manager passes %s, which profile %s does not let into the container", listed(sockets), c.plan.Profile)
	}
	outbound := or(allowed.Outbound, false)
	if !outbound {
		if err := c.onlyInbound(sockets); err != nil {
			return err
		}
	}
	if err := c.socketsOfHost(sockets); err != nil {
		return err
	}
	var names []string
	for _, s := range sockets {
		names = append(names, s.Name)
	}
	// The program is process 1, or a child of safe-run's own first process,
	// which writes the child's number here.
	c.setVariable("LISTEN_PID", "1")
	c.setVariable("LISTEN_FDS", strconv.Itoa(len(sockets)))
	c.setVariable("LISTEN_FDNAMES", strings.Join(names, ":"))
	c.plan.Lifecycle.Sockets = len(sockets)
	d := Decision{
		Setting: "sockets", Value: listed(sockets), Source: c.source("process.socketActivation"),
		Why:     c.why("process.socketActivation", allowed.Why),
		Weakens: "the container is reached, and sees names and addresses of the host's interfaces, through sockets of the host",
	}
	if outbound {
		d.Weakens += "; it can send data to whatever the host can reach"
	}
	c.decide(d)
	if c.inbound {
		c.decide(Decision{
			Setting: "connect", Value: "refused", Source: fromSafeRun,
			Why: "with it a listening TCP socket of the host would be a way out through the host's network",
		})
	}
	return nil
}

// onlyInbound refuses what would be a way out through the host's network, and
// has the filter refuse what a listening TCP socket could be turned into.
func (c *compiler) onlyInbound(sockets []Socket) error {
	const hint = "write outbound: true beside it under process.socketActivation in the profile, if the container may use the host's network that way"
	for _, s := range sockets {
		switch {
		case !s.listens():
			return problem.New(hint, "socket %s would let the container send to whatever the host can reach", s)
		case s.Domain == "AF_UNIX":
			continue
		case c.lost.has(profiles.WeakSeccomp), c.allowsSyscall("io_uring_setup"):
			return problem.New(hint, "socket %s could be connected to whatever the host can reach: no filter of system calls stops it here", s)
		}
		c.inbound = true
	}
	return nil
}

// socketsOfHost refuses a network socket to who could set up the host's
// network through it: ioctl(2) looks at the namespace of the socket.
func (c *compiler) socketsOfHost(sockets []Socket) error {
	if !c.lost.has(profiles.WeakUserNamespace) || !c.hasCapability("NET_ADMIN") {
		return nil
	}
	for _, s := range sockets {
		if s.Domain != "AF_UNIX" {
			return problem.New("leave out the capability NET_ADMIN, or run where there are user namespaces",
				"socket %s would let the container set up the host's network, which it has NET_ADMIN for", s)
		}
	}
	return nil
}

// listed are sockets for people.
func listed(sockets []Socket) string {
	if len(sockets) == 1 {
		return "socket " + sockets[0].String()
	}
	var all []string
	for _, s := range sockets {
		all = append(all, s.String())
	}
	return fmt.Sprintf("%d sockets: %s", len(sockets), strings.Join(all, ", "))
}

// setVariable sets one that is not the user's to choose.
func (c *compiler) setVariable(name, value string) {
	env := environment{}
	for _, text := range append(c.oci.Process.Env, name+"="+value) {
		name, value, _ := strings.Cut(text, "=")
		env.set(name, value)
	}
	c.oci.Process.Env = env.list
}

package network

import (
	"runtime"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec/problem"
)

// innerName is the interface that a sandbox sees.
const innerName = "eth0"

// namespace is the network namespace of a sandbox, and a socket in it.
type namespace struct {
	fd netns.NsHandle
	nl *netlink.Handle
}

func openNamespace(pid int) (*namespace, error) {
	fd, err := netns.GetFromPid(pid)
	if err != nil {
		return nil, explain(err, "open the network namespace of process %d", pid)
	}
	own, err := netns.Get()
	if err != nil {
		fd.Close()
		return nil, explain(err, "open the host's network namespace")
	}
	defer own.Close()
	if fd.Equal(own) {
		fd.Close()
		return nil, problem.New("start it in a network namespace of its own",
			"process %d is in the host's network namespace", pid)
	}
	nl, err := netlink.NewHandleAt(fd, unix.NETLINK_ROUTE)
	if err != nil {
		fd.Close()
		return nil, explain(err, "enter the network namespace of process %d", pid)
	}
	return &namespace{fd: fd, nl: nl}, nil
}

func (n *namespace) close() {
	n.nl.Close()
	n.fd.Close()
}

func (n *namespace) loopbackUp() error {
	lo, err := n.nl.LinkByName("lo")
	if err == nil {
		err = n.nl.LinkSetUp(lo)
	}
	if err != nil {
		return explain(err, "bring the sandbox's loopback interface up")
	}
	return nil
}

// configure gives the sandbox's end its address and brings it up, without
// IPv6 and, unless packets must pass to other hosts, without a default route.
func (n *namespace) configure(rec record, br bridge) error {
	link, err := n.nl.LinkByName(innerName)
	if err != nil {
		return explain(err, "look for the sandbox's %s", innerName)
	}
	if err := n.disableIPv6(); err != nil {
		return err
	}
	addr := &netlink.Addr{IPNet: toIPNet(br.of(rec.Address))}
	if err := n.nl.AddrAdd(link, addr); err != nil {
		return explain(err, "give the sandbox's %s the address %s", innerName, addr.IPNet)
	}
	if err := n.nl.LinkSetUp(link); err != nil {
		return explain(err, "bring the sandbox's %s up", innerName)
	}
	if !forwards(rec.Network) {
		return waitUp(n.nl, link.Attrs().Index)
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: br.gateway.AsSlice()}
	if err := n.nl.RouteAdd(route); err != nil {
		return explain(err, "give the sandbox its default route")
	}
	return waitUp(n.nl, link.Attrs().Index)
}

// waitUp waits until the kernel's link watch has seen that both ends are
// connected. Before, it drops what is sent, and the first connection of the
// sandbox would wait a second for TCP to send again.
func waitUp(h *netlink.Handle, index int) error {
	deadline := time.Now().Add(upTimeout)
	for {
		link, err := h.LinkByIndex(index)
		if err != nil {
			return explain(err, "look whether interface %d is up", index)
		}
		if link.Attrs().OperState == netlink.OperUp || time.Now().After(deadline) {
			return nil // late is slow, not wrong
		}
		time.Sleep(upPoll)
	}
}

const (
	upTimeout = time.Second
	upPoll    = 100 * time.Microsecond
)

// disableIPv6 runs before the interface goes up, so that it never has a
// link-local address.
func (n *namespace) disableIPv6() error {
	return n.do(func() error { return writeSysctl("ipv6/conf/"+innerName+"/disable_ipv6", "1") })
}

// do calls f on a thread in the sandbox's namespace: a sysctl is of the
// namespace of the thread that opens it. A thread that cannot come back is
// never unlocked, so that Go ends it with the goroutine and nothing else ever
// runs on it.
func (n *namespace) do(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		own, err := netns.Get()
		if err != nil {
			done <- explain(err, "open the host's network namespace")
			return
		}
		defer own.Close()
		if err := unix.Setns(int(n.fd), unix.CLONE_NEWNET); err != nil {
			done <- explain(err, "enter the sandbox's network namespace")
			return
		}
		err = f()
		if back := unix.Setns(int(own), unix.CLONE_NEWNET); back != nil {
			done <- explain(back, "return to the host's network namespace")
			return
		}
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}

package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// connected is a namespace with an address of each family on a wire of its own to
// the host, which stands for all the world, and the path of it.
func connected(t *testing.T) (_ *peer, path string) {
	t.Helper()
	needsHost(t)
	p, err := startPeer(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	own, err := netlink.NewHandle()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Close)
	if err := cable(own, p, wire{"box0", "10.77.0.1", "10.77.0.2"}); err != nil {
		t.Fatal(err)
	}
	link, err := own.LinkByName("box0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.LinkDel(link) })
	for _, end := range []struct {
		addr string
		at   func(func(*netlink.Handle) error) error
	}{
		{"box0 fd77::1", func(f func(*netlink.Handle) error) error { return f(own) }},
		{"eth0 fd77::2", func(f func(*netlink.Handle) error) error { return inside(p, f) }},
	} {
		var name, addr string
		_, _ = fmt.Sscan(end.addr, &name, &addr)
		err := end.at(func(h *netlink.Handle) error {
			l, err := h.LinkByName(name)
			if err != nil {
				return err
			}
			ip := &net.IPNet{IP: net.ParseIP(addr), Mask: net.CIDRMask(64, 128)}
			return h.AddrAdd(l, &netlink.Addr{IPNet: ip, Flags: unix.IFA_F_NODAD})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return p, fmt.Sprintf("/proc/%d/ns/net", p.pid())
}

// sends sends a datagram from an address, anybody's, in a namespace.
func sends(t *testing.T, path, from, to string) error {
	t.Helper()
	said := make(chan error)
	go func() {
		// The thread must not end: a peer ends with the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		said <- func() error {
			own, err := netns.Get()
			if err != nil {
				return err
			}
			defer own.Close()
			ns, err := netns.GetFromPath(path)
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := netns.Set(ns); err != nil {
				return err
			}
			defer func() {
				if err := netns.Set(own); err != nil {
					panic(err)
				}
			}()
			as := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
				var err4, err6 error
				_ = raw.Control(func(fd uintptr) {
					err4 = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TRANSPARENT, 1)
					err6 = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_FREEBIND, 1)
				})
				if err4 != nil {
					return err4
				}
				if netip.MustParseAddrPort(from).Addr().Is4() {
					return nil
				}
				return err6
			}}
			c, err := as.ListenPacket(context.Background(), "udp", from)
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = c.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to)))
			return err
		}()
	}()
	return <-said
}

// heard says where the next datagram comes from.
func heard(t *testing.T, c net.PacketConn) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, from, err := c.ReadFrom(make([]byte, 10))
	if err != nil {
		t.Fatal(err)
	}
	return from.String()
}

// TestEnclosedSpoofing: nobody makes a way out for himself by a packet to himself
// that seems to come from there.
func TestEnclosedSpoofing(t *testing.T) {
	for _, c := range []struct{ name, near, far, other string }{{"IPv4", "10.77.0.1", "10.77.0.2", "10.77.0.9"}, {"IPv6", "fd77::1", "fd77::2", "fd77::9"}} {
		t.Run(c.name, func(t *testing.T) {
			p, path := connected(t)
			open := spec.Egress{Prefix: netip.MustParsePrefix(c.near + map[string]string{"IPv4": "/32", "IPv6": "/128"}[c.name]), Ports: []spec.PortRange{{Protocol: "udp", First: 9, Last: 9}}}
			hears, err := net.ListenPacket("udp", net.JoinHostPort(c.near, "9"))
			if err != nil {
				t.Fatal(err)
			}
			defer hears.Close()
			closed, err := net.ListenPacket("udp", net.JoinHostPort(c.near, "81"))
			if err != nil {
				t.Fatal(err)
			}
			defer closed.Close()
			near, far := net.JoinHostPort(c.near, "81"), net.JoinHostPort(c.far, "4000")
			if err := sends(t, path, far, near); err != nil {
				t.Fatal("without rules:", err)
			}
			if from := heard(t, closed); from != far {
				t.Fatal("without rules it comes from", from)
			}
			e, err := Enclose(path, spec.Network{Mode: spec.NetworkBridge, Egress: []spec.Egress{open}})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			if err := sends(t, path, near, net.JoinHostPort(c.far, "4001")); err == nil {
				t.Error("it may send to itself as another")
			}
			if err := sends(t, path, net.JoinHostPort(c.far, "4001"), near); err == nil {
				t.Error("and answers")
			}
			if err := sends(t, path, net.JoinHostPort(c.other, "81"), net.JoinHostPort(c.near, "9")); err == nil {
				t.Error("it may send as another to what is listed")
			}
			if err := closed.SetReadDeadline(time.Now().Add(time.Second / 4)); err != nil {
				t.Fatal(err)
			}
			if n, _, err := closed.ReadFrom(make([]byte, 10)); err == nil {
				t.Errorf("%d bytes came out", n)
			}
			if err := sends(t, path, far, net.JoinHostPort(c.far, "4002")); err != nil {
				t.Error("it may not send to itself:", err)
			}
			if err := sends(t, path, far, net.JoinHostPort(c.near, "9")); err != nil {
				t.Error("what is listed:", err)
			}
			if from := heard(t, hears); from != far {
				t.Error("what is listed comes from", from)
			}
			if got := settle(refused, func() string { return p.dial("tcp", near) }); !refused(got) {
				t.Error("what is not listed is not refused at once:", got)
			}
			p.listen(t, "tcp", net.JoinHostPort(c.far, "80"))
			if got := settle(answered, func() string { return dial("tcp", net.JoinHostPort(c.far, "80")) }); !answered(got) {
				t.Error("what comes in:", got)
			}
			if c.name == "IPv6" {
				answersByLink(t, p)
			}
		})
	}
}

func answered(got string) bool { return strings.HasPrefix(got, "ok ") }

func refused(got string) bool { return got == "refused" }

// answersByLink: the addresses of the link are everybody's own, too.
func answersByLink(t *testing.T, p *peer) {
	t.Helper()
	var at net.IP
	err := inside(p, func(h *netlink.Handle) error {
		l, err := h.LinkByName("eth0")
		if err != nil {
			return err
		}
		list, err := h.AddrList(l, netlink.FAMILY_V6)
		for _, a := range list {
			if a.IP.IsLinkLocalUnicast() {
				at = a.IP
			}
		}
		return err
	})
	if err != nil || at == nil {
		t.Fatal("an address of the link:", at, err)
	}
	p.listen(t, "tcp", "[::]:82")
	to := net.JoinHostPort(at.String()+"%box0", "82")
	if got := settle(answered, func() string { return dial("tcp", to) }); !answered(got) {
		t.Errorf("%s: %s", to, got)
	}
}

// TestEnclosedAgain: other resolvers of the host are no other profile.
func TestEnclosedAgain(t *testing.T) {
	_, path := connected(t)
	n := spec.Network{Mode: spec.NetworkBridge, Egress: []spec.Egress{{Prefix: netip.MustParsePrefix("10.77.0.0/24")}}}
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	for _, n.DNS = range [][]netip.Addr{{a}, {a, b}, {b, a}, nil} {
		e, err := Enclose(path, n)
		if err != nil {
			t.Fatalf("with %v: %v", n.DNS, err)
		}
		e.Close()
	}
	n.Egress[0].Prefix = netip.MustParsePrefix("10.77.0.0/25")
	if e, err := Enclose(path, n); err == nil {
		e.Close()
		t.Error("another profile has its way")
	}
}

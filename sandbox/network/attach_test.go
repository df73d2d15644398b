package network

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

func TestModeNone(t *testing.T) {
	state := stateDir(t)
	p, err := startPeer(true)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	a, err := Attach(context.Background(), Config{ID: newID(), State: state, Network: spec.Network{Mode: spec.NetworkNone}}, p.pid())
	if err != nil {
		t.Fatal(err)
	}
	if got := p.do(order{Op: "interfaces"}); got != "lo true [127.0.0.1/8 ::1/128]\n" {
		t.Errorf("interfaces %q", got)
	}
	if err := a.Detach(); err != nil {
		t.Error(err)
	}
	if files, _ := filepath.Glob(filepath.Join(state, "*")); len(files) != 0 {
		t.Errorf("files were made: %v", files)
	}
}

// The sandbox has one address, and none of IPv6 but on loopback.
func TestInside(t *testing.T) {
	state := stateDir(t)
	b := attach(t, state, spec.Network{Egress: everywhere()})
	want := "lo true [127.0.0.1/8 ::1/128]\neth0 true [" + b.ip + "/19]\n"
	if got := b.do(order{Op: "interfaces"}); got != want {
		t.Errorf("interfaces %q, want %q", got, want)
	}
	if r := b.routes(t); strings.Count(r, "\n") != 2 || !strings.Contains(r, "default") {
		t.Errorf("routes %s, want the subnet and the default", r)
	}
	err := inside(b.peer, func(h *netlink.Handle) error {
		l, err := h.LinkByName("eth0")
		if err == nil && l.Attrs().HardwareAddr.String() != b.mac().String() {
			t.Errorf("hardware address %s, want %s", l.Attrs().HardwareAddr, b.mac())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for _, name := range []string{bridgeName, linkName(b.cfg.ID)} {
		i, err := net.InterfaceByName(name)
		if err != nil {
			t.Fatal(err)
		}
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if strings.Contains(a.String(), ":") {
				t.Errorf("%s has the IPv6 address %s", name, a)
			}
		}
	}
}

// Even with the rules against it gone, and each knowing the other's hardware
// address, two ports exchange nothing: until they are no longer isolated.
func TestPortsAreIsolated(t *testing.T) {
	s := newScene(t)
	for _, x := range [][2]*box{{s.a, s.b}, {s.b, s.a}} {
		err := inside(x[0].peer, func(h *netlink.Handle) error {
			l, err := h.LinkByName("eth0")
			if err != nil {
				return err
			}
			return h.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, Family: netlink.FAMILY_V4,
				State: netlink.NUD_PERMANENT, IP: net.ParseIP(x[1].ip), HardwareAddr: x[1].mac()})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	takeOut(t, []string{"spoofed"})
	if got := s.a.dial("tcp", s.b.ip+":80"); got != "timeout" {
		t.Fatalf("between isolated ports: %s, want timeout", got)
	}
	for _, x := range []*box{s.a, s.b} {
		l, err := netlink.LinkByName(linkName(x.cfg.ID))
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.LinkSetIsolated(l, false); err != nil {
			t.Fatal(err)
		}
	}
	try{"sandbox", s.a.dial, s.b.ip + ":80", "ok"}.run(t, "tcp")
}

// A sandbox is sent no frame that is for another.
func TestNothingIsFlooded(t *testing.T) {
	s := newScene(t)
	unknown := net.HardwareAddr{0x02, 0x99, 0, 0, 0, 1}
	send := func(dst net.HardwareAddr) {
		t.Helper()
		d := datagram{dstMAC: dst, srcMAC: s.bridgeMAC(), src: gateway() + ":1000", dst: s.b.ip + ":99"}
		if err := sendFrame(bridgeName, d.frame()); err != nil {
			t.Fatal(err)
		}
	}
	before := s.b.framesIn(t)
	send(s.a.mac())
	send(unknown)
	if n := s.b.framesIn(t) - before; n != 0 {
		t.Errorf("%d frames came, want none", n)
	}
	l, err := netlink.LinkByName(linkName(s.b.cfg.ID))
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetFlood(l, true); err != nil {
		t.Fatal(err)
	}
	send(unknown)
	if n := s.b.framesIn(t) - before; n != 1 {
		t.Errorf("%d frames came to a port that floods, want the one", n)
	}
}

// framesIn counts what the sandbox's interface has received.
func (b *box) framesIn(t *testing.T) (n uint64) {
	t.Helper()
	err := inside(b.peer, func(h *netlink.Handle) error {
		l, err := h.LinkByName("eth0")
		if err == nil {
			n = l.Attrs().Statistics.RxPackets
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// With frames on the bridge passing the rules for IP too, as docker has it,
// all is the same.
func TestWithBridgeNetfilter(t *testing.T) {
	needsHost(t)
	if _, err := os.Stat("/proc/sys/net/bridge"); err != nil {
		t.Skip("NOT CHECKED: br_netfilter is not loaded")
	}
	if err := bridgeNetfilter("1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bridgeNetfilter("0") })
	for name, f := range map[string]func(*testing.T){
		"loopback": TestPublishOnLoopback, "every address": TestPublishOnEveryAddress,
		"others": TestPublishedPortsAreForOthers, "egress": TestEgress,
	} {
		t.Run(name, f)
	}
}

// What is not ours is not touched, and the error says what to do.
func TestNameClashes(t *testing.T) {
	state := stateDir(t)
	p, err := startPeer(true)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	attempt := func(want string) {
		t.Helper()
		_, err := Attach(context.Background(), Config{ID: newID(), State: state, Network: bridged()}, p.pid())
		if err == nil || !strings.Contains(err.Error(), want) || problem.HintOf(err) == "" || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, hint %q, want one line with %q and a hint", err, problem.HintOf(err), want)
		}
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = bridgeName
	veth := netlink.NewVeth(attrs)
	veth.PeerName = "other1"
	for _, l := range []netlink.Link{veth, &netlink.Bridge{LinkAttrs: attrs}} {
		want := map[string]string{"veth": "not a bridge", "bridge": "has no address"}[l.Type()]
		if err := netlink.LinkAdd(l); err != nil {
			t.Fatal(err)
		}
		attempt(want)
		if err := netlink.LinkDel(l); err != nil {
			t.Errorf("someone's %s was removed: %v", l.Type(), err)
		}
	}
	other := &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet}
	change(t, func(b batch) error {
		b.AddTable(other)
		b.AddChain(&nftables.Chain{Table: other, Name: "mine"})
		return nil
	})
	attempt("not of safe-run")
	change(t, func(b batch) error { b.DelTable(other); return nil })
}

// An administrator's own bridge is used with its subnet, and stays.
func TestBridgeOfTheAdministrator(t *testing.T) {
	needsHost(t)
	attrs := netlink.NewLinkAttrs()
	attrs.Name = bridgeName
	br := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(br); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { netlink.LinkDel(br) })
	own, err := netlink.NewHandle()
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	if err := address(own, bridgeName, "10.9.0.1/16"); err != nil {
		t.Fatal(err)
	}
	p, err := startPeer(true)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	cfg := Config{ID: newID(), Slot: 300, State: t.TempDir(), Network: spec.Network{Mode: spec.NetworkBridge, Egress: everywhere()}}
	a, err := Attach(context.Background(), cfg, p.pid())
	if err != nil {
		t.Fatal(err)
	}
	if got := p.do(order{Op: "interfaces"}); !strings.Contains(got, "10.9.1.46/16") {
		t.Errorf("interfaces %q, want slot 300 of the bridge's subnet", got)
	}
	try{"sandbox", p.dial, farA + ":80", "ok"}.run(t, "tcp")
	if err := a.Detach(); err != nil {
		t.Error(err)
	}
	if _, err := netlink.LinkByName(bridgeName); err != nil {
		t.Error("the administrator's bridge was removed:", err)
	}
}

// A sandbox that died left its slot and its port on record.
func TestTakesOverFromTheDead(t *testing.T) {
	state := stateDir(t)
	dead := attach(t, state, spec.Network{Publish: []spec.Port{publish("127.0.0.1", 8080, 80, "tcp")}})
	slots-- // the next one has the same
	b := attach(t, state, spec.Network{Publish: []spec.Port{publish("127.0.0.1", 8080, 80, "tcp")}})
	b.listen(t, "tcp", "0.0.0.0:80")
	try{"host", dial, "127.0.0.1:8080", "ok"}.run(t, "tcp")
	if err := dead.att.Detach(); err != nil {
		t.Error(err)
	}
	try{"host", dial, "127.0.0.1:8080", "ok"}.run(t, "tcp")
}

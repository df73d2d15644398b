package network

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// leave leaves a sandbox as the launcher does, when its processes have ended.
func leave(t *testing.T, b *box) Rest {
	t.Helper()
	b.stop()
	rest, err := b.att.Leave()
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range rest.Files {
		unix.Close(fd)
	}
	return rest
}

func bridgeIndex(t *testing.T) int {
	t.Helper()
	link, err := netlink.LinkByName(bridgeName)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return link.Attrs().Index
}

// What nobody shares any more is kept for the next, and Settle removes it; what
// belonged to the sandbox is gone at once.
func TestLeave(t *testing.T) {
	state := stateDir(t)
	web := spec.Network{Publish: []spec.Port{publish("0.0.0.0", 8080, 80, "tcp")}}
	first := attach(t, state, web)
	other := attach(t, state, spec.Network{})
	shared := bridgeIndex(t)
	if rest := leave(t, first); rest.Idle || len(rest.Files) == 0 {
		t.Errorf("beside another sandbox: %+v", rest)
	}
	err := eachRule(func(r *nftables.Rule, _ string) error {
		if strings.HasPrefix(r.Chain.Name, chainName(first.cfg.ID)) {
			return errors.New("there are still rules of " + r.Chain.Name)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := Settle(state); err != nil || bridgeIndex(t) != shared {
		t.Errorf("Settle beside a sandbox: %v, and the bridge is %d, was %d", err, bridgeIndex(t), shared)
	}
	if rest := leave(t, other); !rest.Idle {
		t.Error("the last sandbox did not say so")
	}
	if _, err := os.Stat(Idle(state)); err != nil || bridgeIndex(t) != shared {
		t.Errorf("after the last: %v, and the bridge is %d, was %d", err, bridgeIndex(t), shared)
	}
	next := attach(t, state, web)
	next.listen(t, "tcp", "0.0.0.0:80")
	if bridgeIndex(t) != shared {
		t.Error("the next sandbox did not find the bridge")
	}
	if _, err := os.Stat(Idle(state)); !os.IsNotExist(err) {
		t.Error("it is on record as idle beside a sandbox:", err)
	}
	try{"outside", outside.dial, wanIP + ":8080", "ok"}.run(t, "tcp")
	leave(t, next)
	if got := outside.dial("tcp", wanIP+":8080"); strings.HasPrefix(got, "ok") {
		t.Error("the port still answers:", got)
	}
	for range 2 { // the second finds nothing
		if err := Settle(state); err != nil {
			t.Fatal(err)
		}
	}
	if bridgeIndex(t) != 0 {
		t.Error("the bridge is still there")
	}
}

// An interface whose namespace is kept alive by somebody is gone with Settle.
func TestLeftInterface(t *testing.T) {
	state := stateDir(t)
	b := attach(t, state, spec.Network{Egress: everywhere()})
	name := linkName(b.cfg.ID)
	if _, err := b.att.Leave(); err != nil { // its process is still there
		t.Fatal(err)
	}
	if got := b.dial("tcp", farA+":80"); strings.HasPrefix(got, "ok") {
		t.Error("it still reaches others:", got)
	}
	if err := Settle(state); err != nil {
		t.Fatal(err)
	}
	if _, err := netlink.LinkByName(name); err == nil {
		t.Error("it is still there:", name)
	}
}

// An interface that outlived its sandbox sends nothing, by no address: its own is
// another's by then.
func TestLeftInterfaceIsMute(t *testing.T) {
	state := stateDir(t)
	other := attach(t, state, spec.Network{Egress: everywhere()})
	first := attach(t, state, spec.Network{Egress: everywhere()})
	s := &scene{t: t, a: first, b: other, counters: map[string]*worker{}}
	far := func(src string) string {
		d := s.fromA(farA + ":80")
		d.src = src + ":1000"
		return arrives(outside.received, first.peer, "eth0", d)
	}
	ok := func(got string) bool { return got == "ok" }
	if got := settle(ok, func() string { return far(first.ip) }); !ok(got) {
		t.Fatal("before it leaves:", got)
	}
	if _, err := first.att.Leave(); err != nil { // its process is still there
		t.Fatal(err)
	}
	slots--
	next := attach(t, state, spec.Network{Egress: everywhere()})
	if next.ip != first.ip {
		t.Fatalf("the next has %s, want %s", next.ip, first.ip)
	}
	for whose, src := range map[string]string{"its own, which is the next's": next.ip, "another's": other.ip} {
		if got := far(src); got != "nothing" {
			t.Errorf("by %s address: %s", whose, got)
		}
	}
	if got := first.dial("tcp", farA+":80"); strings.HasPrefix(got, "ok") {
		t.Error("it still reaches others:", got)
	}
	d := s.fromA(wanIP + ":9999")
	d.dstMAC = net.HardwareAddr{0x01, 0x80, 0xc2, 0, 0, 0x0e}
	if got := arrives(s.hostDatagrams(wanIP+":9999"), first.peer, "eth0", d); got != "nothing" {
		t.Error("past the bridge:", got)
	}
	try{"the next", next.dial, farA + ":80", "ok"}.run(t, "tcp")
}

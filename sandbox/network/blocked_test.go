package network

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/spec"
)

// blocked reads what a sandbox was refused: "tcp 1.2.3.4:80 host" and a count.
func (b *box) blocked(t *testing.T) map[string]spec.Blocked {
	t.Helper()
	list, err := Blocked(b.cfg.ID)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]spec.Blocked{}
	for _, d := range list {
		key := strings.TrimSpace(fmt.Sprintf("%d %s %s", d.Protocol, d.To, d.Place))
		if _, twice := out[key]; twice {
			t.Errorf("%s is there twice", key)
		}
		out[key] = d
	}
	return out
}

// TestBlocked: each refused packet is counted by where it was to go, for the
// sandbox that sent it, and nothing that passes is.
func TestBlocked(t *testing.T) {
	state := stateDir(t)
	begun := time.Now()
	one := []spec.Egress{{Prefix: netip.PrefixFrom(netip.MustParseAddr(farA), 32), Ports: []spec.PortRange{{Protocol: "tcp", First: 80, Last: 80}}}}
	b := attach(t, state, spec.Network{Egress: one})
	quiet := attach(t, state, spec.Network{Egress: everywhere()})
	if got := b.dial("tcp", farA+":80"); !strings.HasPrefix(got, "ok") {
		t.Fatal(got)
	}
	if got := quiet.dial("tcp", farB+":443"); !strings.HasPrefix(got, "ok") {
		t.Fatal(got)
	}
	if got := b.blocked(t); len(got) != 0 {
		t.Fatalf("before anything was refused: %v", got)
	}
	tries := map[string]string{
		"tcp " + farA + ":443":             "6 " + farA + ":443",
		"udp " + farA + ":443":             "17 " + farA + ":443",
		"tcp " + metadataIP + ":80":        "6 " + metadataIP + ":80",
		"tcp " + wanIP + ":" + hostService: "6 " + wanIP + ":" + hostService + " host",
		"tcp " + gateway() + ":1":          "6 " + gateway() + ":1 host",
	}
	for try := range tries {
		proto, addr, _ := strings.Cut(try, " ")
		for range 3 {
			if got := b.dial(proto, addr); strings.HasPrefix(got, "ok") {
				t.Errorf("%s: %s", try, got)
			}
		}
	}
	got := b.blocked(t)
	for try, key := range tries {
		d, ok := got[key]
		// A datagram is sent once; a connection is tried again by who gets no answer in time.
		if !ok || d.Count < 3 || strings.HasPrefix(try, "tcp") && d.Count > 6 {
			t.Errorf("%s: %+v", try, d)
		}
		if d.First.Before(begun.Add(-time.Second)) || d.Last.Before(d.First) || d.Last.After(time.Now()) {
			t.Errorf("%s: from %v to %v, and the test began at %v", try, d.First, d.Last, begun)
		}
	}
	if len(got) != len(tries) {
		t.Errorf("counted: %v", got)
	}
	if got := quiet.blocked(t); len(got) != 0 {
		t.Errorf("of the other sandbox: %v", got)
	}
	if _, err := Blocked("../x"); err == nil {
		t.Error("an id that is none was taken")
	}
	if list, err := Blocked(newID()); err != nil || len(list) != 0 {
		t.Errorf("of a sandbox that is not there: %v, %v", list, err)
	}
}

// TestBlockedScan: who tries thousands of ports takes a bounded place, all is
// counted, and a look at the metadata service does not hide behind it.
func TestBlockedScan(t *testing.T) {
	b := attach(t, stateDir(t), spec.Network{Egress: []spec.Egress{{Prefix: netip.MustParsePrefix("192.0.2.77/32")}}})
	if got := b.do(order{Op: "scatter", Addr: farA}); got != "ok" {
		t.Fatal(got)
	}
	var all, told uint64
	var many, grave uint64
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && all < scattered+1; time.Sleep(50 * time.Millisecond) {
		all, told, many, grave = 0, 0, 0, 0
		list, err := Blocked(b.cfg.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			all += d.Count
			switch d.Place {
			case spec.PlaceMany:
				many = d.Count
			case spec.PlaceManyLinkLocal:
				grave = d.Count
			default:
				told++
			}
		}
	}
	if told != mostBlocked || many != scattered-mostBlocked || grave != 1 {
		t.Errorf("told apart %d, in all %d, to link-local addresses %d", told, many, grave)
	}
}

// TestBlockedAreCountedAlone: refusing does not depend on counting.
func TestBlockedAreCountedAlone(t *testing.T) {
	b := attach(t, stateDir(t), spec.Network{})
	takeOut(t, []string{"count"})
	if got := b.dial("tcp", wanIP+":"+hostService); got != "refused" && got != "unreachable" {
		t.Errorf("without the rules that count: %s", got)
	}
	if got := b.blocked(t); len(got) != 0 {
		t.Errorf("counted all the same: %v", got)
	}
}

// TestBlockedOf: what the kernel could not have said is left out.
func TestBlockedOf(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	key := []byte{203, 0, 113, 1, unix.IPPROTO_TCP, 0, 0, 0, 0x01, 0xbb, 0, 0}
	two := &expr.Counter{Packets: 2}
	counts := []nftables.SetElement{
		{Key: key, Counter: two, Expires: kept - time.Second}, {Key: key, Counter: two, Expires: kept},
		{Key: key[:8], Counter: two}, {Key: append([]byte{1}, key[1:]...)}, {Key: append([]byte{2}, key[1:]...), Counter: &expr.Counter{}},
	}
	got := blockedOf(counts, []nftables.SetElement{{Key: key, Expires: kept - time.Minute}}, now)
	want := spec.Blocked{To: netip.MustParseAddrPort("203.0.113.1:443"), Protocol: 6, Count: 2, First: now.Add(-time.Minute), Last: now.Add(-time.Second)}
	if len(got) != 1 || got[0] != want {
		t.Errorf("%+v", got)
	}
	if got := blockedOf(counts[:1], nil, now); len(got) != 1 || got[0].First != got[0].Last {
		t.Errorf("without a first time: %+v", got)
	}
}

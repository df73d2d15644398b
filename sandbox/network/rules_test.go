package network

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"github.com/vishvananda/netlink"

	"github.com/safe-run/safe-run/spec"
)

// Each rule is taken out of the kernel in turn (by the comment it carries) and
// the attempt that it decides is made again: it must come out differently. A
// rule that no attempt depends on fails TestEveryRuleIsTested.

// scene is what the attempts are made with.
type scene struct {
	t    *testing.T
	a, b *box // a may go everywhere, b is next to it
	// counters are the host's sockets that count what arrives.
	counters map[string]*worker
}

func newScene(t *testing.T) *scene {
	state := stateDir(t)
	s := &scene{t: t, counters: map[string]*worker{}}
	s.b = attach(t, state, spec.Network{Egress: everywhere()})
	s.a = attach(t, state, spec.Network{Egress: everywhere(), Publish: []spec.Port{
		publish("0.0.0.0", 8080, 80, "tcp"), publish("127.0.0.1", 8053, 53, "udp"),
		publish(wanIP, 8081, 80, "tcp"), publish(wanIP, 8082, 82, "udp"), publish("127.0.0.1", 8082, 82, "udp"),
	}})
	for _, x := range []*box{s.a, s.b} {
		x.listen(t, "tcp", "0.0.0.0:80")
		x.listen(t, "udp", "0.0.0.0:53")
	}
	return s
}

// arrives sends a frame from a peer and says whether a datagram came of it at
// the place that counts them.
func arrives(count func() string, from *peer, dev string, d datagram) string {
	before := count()
	if got := from.do(order{Op: "frame", Addr: dev, Frame: d.frame()}); got != "ok" {
		return got
	}
	for range 20 {
		time.Sleep(10 * time.Millisecond)
		if count() != before {
			return "ok"
		}
	}
	return "nothing"
}

// hostDatagrams counts what arrives at an address of the host's.
func (s *scene) hostDatagrams(addr string) func() string {
	w := s.counters[addr]
	if w == nil {
		w = &worker{}
		if err := w.listen("udp", addr); err != nil {
			s.t.Fatal(err)
		}
		s.counters[addr] = w
		s.t.Cleanup(w.close)
	}
	return func() string { return w.do(order{Op: "received"}) }
}

// fromA is a datagram that a may send to the host, to be changed.
func (s *scene) fromA(dst string) datagram {
	return datagram{dstMAC: s.bridgeMAC(), srcMAC: s.a.mac(), src: s.a.ip + ":1000", dst: dst}
}

func (s *scene) bridgeMAC() net.HardwareAddr {
	l, err := netlink.LinkByName(bridgeName)
	if err != nil {
		s.t.Fatal(err)
	}
	return l.Attrs().HardwareAddr
}

func (b *box) mac() net.HardwareAddr {
	ip := net.ParseIP(b.ip).To4()
	return net.HardwareAddr{0x02, 0x5a, ip[0], ip[1], ip[2], ip[3]}
}

// attempt comes out as want with all rules but those of given, and otherwise
// when the rules of without are taken out as well.
type attempt struct {
	name    string
	given   []string // other layers that would stop it too, taken out before
	without []string
	want    string
	prepare func(s *scene)
	do      func(s *scene) string
}

func TestEachRuleDecides(t *testing.T) {
	for _, at := range slices.Concat(closedAttempts, openAttempts, errorAttempts) {
		t.Run(at.name, func(t *testing.T) {
			s := newScene(t)
			if at.prepare != nil {
				at.prepare(s)
			}
			takeOut(t, at.given)
			as := func(got string) bool { return strings.HasPrefix(got, at.want) }
			not := func(got string) bool { return !as(got) }
			do := func() string { return at.do(s) }
			if got := settle(as, do); !as(got) {
				t.Fatalf("with the rule: %s, want %s", got, at.want)
			}
			takeOut(t, at.without)
			if got := settle(not, do); as(got) {
				t.Fatalf("without rule %v it is still %s: the rule is not what decides", at.without, got)
			}
		})
	}
}

// takeOut deletes the rules with the comments.
func takeOut(t *testing.T, comments []string) {
	t.Helper()
	found := map[string]bool{}
	change(t, func(b batch) error {
		return eachRule(func(r *nftables.Rule, comment string) error {
			if !slices.Contains(comments, comment) {
				return nil
			}
			found[comment] = true
			return b.DelRule(r)
		})
	})
	for _, c := range comments {
		if !found[c] {
			t.Fatalf("there is no rule %q", c)
		}
	}
}

func eachRule(f func(r *nftables.Rule, comment string) error) error {
	b, err := newBatch()
	if err != nil {
		return err
	}
	for _, table := range []*nftables.Table{inetTable, bridgeTable} {
		chains, err := b.chainsOf(table)
		if err != nil {
			return err
		}
		for _, c := range chains {
			rules, err := b.GetRules(table, c)
			if err != nil {
				return fmt.Errorf("chain %s: %w", c.Name, err)
			}
			for _, r := range rules {
				comment, _ := userdata.GetString(r.UserData, userdata.TypeComment)
				if err := f(r, comment); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// plumbing are jumps to the rules that are tested: without them a whole group
// of rules is gone.
var plumbing = []string{"to-host", "output", "from-sandbox", "to-sandbox", "refuse-sandbox",
	// These decide nothing: TestBlocked.
	"count", moreLinkLocal, moreBlocked}

func TestEveryRuleIsTested(t *testing.T) {
	newScene(t)
	tested := append([]string{}, plumbing...)
	for _, at := range slices.Concat(closedAttempts, openAttempts, errorAttempts) {
		tested = append(tested, at.without...)
	}
	err := eachRule(func(r *nftables.Rule, comment string) error {
		if !slices.Contains(tested, comment) {
			t.Errorf("chain %s: no attempt depends on rule %q", r.Chain.Name, comment)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

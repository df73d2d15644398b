package network

import (
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

func forwardingIs(t *testing.T, want string) {
	t.Helper()
	for _, n := range []string{"wan0", "lan0"} {
		if v, err := readSysctl(forwardingOf(n)); err != nil || v != want {
			t.Errorf("%s forwards %q, %v, want %q", n, v, err, want)
		}
	}
	if v, _ := readSysctl(globalForwarding); v != "0" {
		t.Error("the whole host was made a router")
	}
}

// The first that needs it switches forwarding on, the last switches it off.
func TestForwardingComesAndGoes(t *testing.T) {
	state := stateDir(t)
	closed := attach(t, state, spec.Network{})
	forwardingIs(t, "0")
	open := attach(t, state, spec.Network{Egress: everywhere()})
	forwardingIs(t, "1")
	if err := open.att.Detach(); err != nil {
		t.Fatal(err)
	}
	try{"neighbour", neighbourhood.dial, farA + ":80", "timeout"}.run(t, "tcp")
	if err := closed.att.Detach(); err != nil {
		t.Fatal(err)
	}
	forwardingIs(t, "0")
}

// A host that forwards already is not guarded, and goes on forwarding.
func TestHostThatIsARouter(t *testing.T) {
	state := stateDir(t)
	if err := writeSysctl(globalForwarding, "1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { writeSysctl(globalForwarding, "0") })
	b := attach(t, state, spec.Network{Egress: everywhere()})
	try{"sandbox", b.dial, farA + ":80", "ok"}.run(t, "tcp")
	try{"neighbour", neighbourhood.dial, farA + ":80", "ok"}.run(t, "tcp")
	if err := b.att.Detach(); err != nil {
		t.Fatal(err)
	}
	try{"neighbour", neighbourhood.dial, farA + ":80", "ok"}.run(t, "tcp")
}

// Someone makes the host a router while sandboxes run: the next one ends the
// guard, and the last one does not end the forwarding.
func TestHostBecomesARouter(t *testing.T) {
	state := stateDir(t)
	first := attach(t, state, spec.Network{Egress: everywhere()})
	if err := writeSysctl(globalForwarding, "1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { writeSysctl(globalForwarding, "0") })
	second := attach(t, state, spec.Network{Egress: everywhere()})
	try{"neighbour", neighbourhood.dial, farA + ":80", "ok"}.run(t, "tcp")
	for _, b := range []*box{first, second} {
		if err := b.att.Detach(); err != nil {
			t.Fatal(err)
		}
	}
	try{"neighbour", neighbourhood.dial, farA + ":80", "ok"}.run(t, "tcp")
}

// Check finds the firewall that stops what is forwarded, and is content when
// it names the bridge.
func TestCheck(t *testing.T) {
	needsHost(t)
	open := spec.Network{Mode: spec.NetworkBridge, Egress: everywhere()}
	if err := Check(open); err != nil {
		t.Fatal("without a firewall:", err)
	}
	drop, hook, prio := nftables.ChainPolicyDrop, nftables.ChainHookForward, nftables.ChainPriority(0)
	table := &nftables.Table{Name: "filter", Family: nftables.TableFamilyIPv4}
	chain := &nftables.Chain{Table: table, Name: "FORWARD", Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: &prio, Policy: &drop}
	change(t, func(b batch) error { b.AddTable(table); b.AddChain(chain); return nil })
	t.Cleanup(func() { change(t, func(b batch) error { b.DelTable(table); return nil }) })

	err := Check(open)
	if err == nil || !strings.Contains(err.Error(), "FORWARD") || !strings.HasPrefix(problem.HintOf(err), "iptables -I FORWARD -i saferun0") {
		t.Errorf("error %v, hint %q", err, problem.HintOf(err))
	}
	if err := Check(spec.Network{Mode: spec.NetworkBridge, Publish: []spec.Port{publish("127.0.0.1", 80, 80, "tcp")}}); err != nil {
		t.Error("with nothing to forward:", err)
	}
	// It is not an empty threat.
	state := stateDir(t)
	b := attach(t, state, open)
	try{"sandbox behind another firewall", b.dial, farA + ":80", "timeout"}.run(t, "tcp")

	change(t, func(b batch) error {
		b.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: all(iif(expr.CmpOpEq, bridgeName), accept())})
		b.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: all(oif(expr.CmpOpEq, bridgeName), accept())})
		return nil
	})
	if err := Check(open); err != nil {
		t.Error("with rules for the bridge:", err)
	}
	try{"sandbox that the firewall knows", b.dial, farA + ":80", "ok"}.run(t, "tcp")
}

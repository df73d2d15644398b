package network

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec"
)

func publish(ip string, host, container uint16, proto string) spec.Port {
	return spec.Port{HostIP: netip.MustParseAddr(ip), HostPort: host, ContainerPort: container, Protocol: proto}
}

// try is one attempt of someone to reach a place.
type try struct {
	who  string
	dial func(proto, addr string) string
	addr string
	want string // prefix of the result
}

func (tr try) run(t *testing.T, proto string) {
	t.Helper()
	good := func(got string) bool { return strings.HasPrefix(got, tr.want) }
	if got := settle(good, func() string { return tr.dial(proto, tr.addr) }); !good(got) {
		t.Errorf("%s to %s %s: %s, want %s", tr.who, proto, tr.addr, got, tr.want)
	}
}

func TestPublishOnLoopback(t *testing.T) {
	state := stateDir(t)
	for _, proto := range []string{"tcp", "udp"} {
		b := attach(t, state, spec.Network{Publish: []spec.Port{publish("127.0.0.1", 8080, 80, proto)}})
		b.listen(t, proto, "0.0.0.0:80")
		try{"host", dial, "127.0.0.1:8080", "ok " + gateway() + ":"}.run(t, proto)
		closed := "refused"
		try{"host", dial, wanIP + ":8080", closed}.run(t, proto)
		try{"outside", outside.dial, wanIP + ":8080", closed}.run(t, proto)
		try{"neighbour", neighbourhood.dial, lanIP + ":8080", closed}.run(t, proto)
		if r := b.routes(t); strings.Contains(r, "default") {
			t.Errorf("a default route without need: %s", r)
		}
	}
	if v, _ := readSysctl(forwardingOf("wan0")); v != "0" {
		t.Error("wan0 forwards though nothing must pass it")
	}
}

func TestPublishOnEveryAddress(t *testing.T) {
	state := stateDir(t)
	for _, proto := range []string{"tcp", "udp"} {
		b := attach(t, state, spec.Network{Publish: []spec.Port{publish("0.0.0.0", 8080, 80, proto)}})
		b.listen(t, proto, "0.0.0.0:80")
		try{"host", dial, "127.0.0.1:8080", "ok " + gateway() + ":"}.run(t, proto)
		try{"host", dial, wanIP + ":8080", "ok " + gateway() + ":"}.run(t, proto)
		// Others are seen with their own addresses.
		try{"outside", outside.dial, wanIP + ":8080", "ok " + outsideIP + ":"}.run(t, proto)
		try{"neighbour", neighbourhood.dial, lanIP + ":8080", "ok " + neighbourIP + ":"}.run(t, proto)
		// Addresses that are not the host's are not affected.
		try{"host", dial, farA + ":80", "ok"}.run(t, proto)
	}
}

func TestPublishOnOneAddress(t *testing.T) {
	state := stateDir(t)
	b := attach(t, state, spec.Network{Publish: []spec.Port{
		publish(wanIP, 8080, 80, "tcp"), publish("127.0.0.1", 8081, 80, "tcp"), publish(wanIP, 8082, 81, "udp"),
	}})
	b.listen(t, "tcp", "0.0.0.0:80")
	b.listen(t, "udp", "0.0.0.0:81")
	try{"outside", outside.dial, wanIP + ":8080", "ok"}.run(t, "tcp")
	try{"outside", outside.dial, wanIP + ":8082", "ok"}.run(t, "udp")
	try{"host", dial, wanIP + ":8080", "ok"}.run(t, "tcp")
	try{"host", dial, "127.0.0.1:8081", "ok"}.run(t, "tcp")
	try{"host", dial, "127.0.0.1:8080", "refused"}.run(t, "tcp")
	try{"neighbour", neighbourhood.dial, lanIP + ":8080", "refused"}.run(t, "tcp")
}

// Two sandboxes reach neither each other's published ports nor their own.
func TestPublishedPortsAreForOthers(t *testing.T) {
	state := stateDir(t)
	a := attach(t, state, spec.Network{Publish: []spec.Port{publish("0.0.0.0", 8080, 80, "tcp")}, Egress: everywhere()})
	b := attach(t, state, spec.Network{Publish: []spec.Port{publish("0.0.0.0", 8081, 80, "tcp")}, Egress: everywhere()})
	a.listen(t, "tcp", "0.0.0.0:80")
	b.listen(t, "tcp", "0.0.0.0:80")
	for _, addr := range []string{wanIP + ":8080", wanIP + ":8081", gateway() + ":8080", gateway() + ":8081"} {
		try{"sandbox", a.dial, addr, "refused"}.run(t, "tcp")
	}
}

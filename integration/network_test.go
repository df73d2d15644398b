package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/integration/leaks"
)

var web = []string{"--profile", "web"}

// with is flags and more flags.
func with(flags []string, more ...string) []string {
	return append(append([]string{}, flags...), more...)
}

// TestPublish: a published port answers where it is published, and nowhere else.
func TestPublish(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	top := newTopology(t)
	everywhere, _ := top.start(t, with(web, "-p", "8080:8080"), "listen", ":8080", "first")
	loopback, _ := top.start(t, with(web, "-p", "127.0.0.1:8081:80"), "listen", ":80", "second")
	packets, _ := top.start(t, with(web, "-p", "5300:5300/udp"), "answer", ":5300")
	tests := []struct{ from, kind, to, want string }{
		{top.world, "tcp", hostAddress + ":8080", `ok`},
		{top.host, "tcp", hostAddress + ":8080", `ok`},
		{top.host, "tcp", "127.0.0.1:8080", `ok`},
		{top.host, "tcp", "127.0.0.1:8081", `ok`},
		{top.world, "tcp", hostAddress + ":8081", `ECONNREFUSED|timeout`},
		{top.world, "udp", hostAddress + ":5300", `ok`},
		{top.world, "tcp", hostAddress + ":5300", `ECONNREFUSED|timeout`},
		{top.world, "tcp", hostAddress + ":7000", `ok`}, // the host's own service goes on
	}
	for _, test := range tests {
		if got := top.asks(t, test.from, "connect", test.kind, test.to); !whole(test.want, got) {
			t.Errorf("from %s to %s %s: %s, want %s", test.from, test.kind, test.to, got, test.want)
		}
	}
	for _, r := range []*running{everywhere, loopback, packets} {
		r.end(t, os.Interrupt)
	}
	if got := top.asks(t, top.world, "connect", "tcp", hostAddress+":8080"); got == "ok" {
		t.Error("the port still answers after the container has ended")
	}
	top.clean(t)
}

// clean looks for what safe-run left in the topology's host, which the checks of
// the real host do not see. What sandboxes share stays a second longer than the
// last of them.
func (top topology) clean(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(leaks.Patience); ; time.Sleep(50 * time.Millisecond) {
		left := top.left(t)
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Error(left)
			return
		}
	}
}

func (top topology) left(t *testing.T) string {
	t.Helper()
	for _, link := range strings.Fields(top.asks(t, top.host, "interfaces")) {
		if link != "lo" && link != "up0" {
			return "the link " + link + " is left"
		}
	}
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Log("nft is not installed: what is left of the rules was not checked")
		return ""
	}
	out, err := top.in(top.host, exec.Command(nft, "list", "ruleset")).CombinedOutput()
	if err != nil || len(out) > 0 {
		return fmt.Sprintf("rules are left (%v):\n%s", err, out)
	}
	return ""
}

// TestPortInUse: the second container that wants a port is told so.
func TestPortInUse(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	top := newTopology(t)
	for _, port := range []string{"8080", "7000"} { // by a container, by the host
		if port == "8080" {
			first, _ := top.start(t, with(web, "-p", "8080:8080"), "listen", ":8080")
			defer first.end(t, os.Interrupt)
		}
		got := top.peek(t, with(web, "-p", port+":8080"), "listen", ":8080")
		if got.code != 125 || !strings.Contains(got.err, port) || !strings.Contains(got.err, "hint:") {
			t.Errorf("port %s in use: exit code %d, want 125, the port and a hint:\n%s", port, got.code, got.err)
		}
	}
}

// TestEgress: a container begins no connection, unless its profile says where
// to, and never to another container, the host or the metadata service.
func TestEgress(t *testing.T) {
	needRoot(t)
	leaks.Check(t)
	top := newTopology(t)
	neighbour, line := top.start(t, with(web, "-p", "8080:8080"), "listen", ":8080", "neighbour")
	address := strings.TrimPrefix(line, "listening ")
	closed := `timeout|EHOSTUNREACH|ENETUNREACH|ECONNREFUSED|EPERM|EACCES`
	internet := profile(t, "extends: [web]\nnetwork: {egress: [{to: internet, why: test}]}")
	one := profile(t, "extends: [web]\nnetwork: {egress: [{to: "+internetAddress+", ports: [80/tcp], why: test}]}")
	other := profile(t, "extends: [web]\nnetwork: {egress: [{to: "+internetAddress+", ports: [81/tcp], why: test}]}")
	all := profile(t, "extends: [web]\nnetwork: {egress: [{to: 0.0.0.0/0, why: test}]}")
	gateway := top.peek(t, all, "gateway").line() // who has no way out has none
	tests := []struct {
		name  string
		flags []string
		to    string
		want  string
	}{
		{"the internet, by default", web, internetAddress + ":80", closed},
		{"the internet, allowed", internet, internetAddress + ":80", `ok`},
		{"one address, allowed", one, internetAddress + ":80", `ok`},
		{"one address, another port", other, internetAddress + ":80", closed},
		{"one address, not this one", one, worldAddress + ":80", closed},
		{"metadata, by default", web, metadataAddress + ":80", closed},
		{"metadata, with the internet allowed", internet, metadataAddress + ":80", closed},
		{"metadata, with everything allowed", all, metadataAddress + ":80", closed},
		{"the host's address, with everything allowed", all, hostAddress + ":7000", closed},
		{"the bridge's address, with everything allowed", all, gateway + ":7000", closed},
		{"a neighbour, by default", web, address + ":8080", closed},
		{"a neighbour, with everything allowed", all, address + ":8080", closed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := top.peek(t, test.flags, "connect", "tcp", test.to)
			if !whole(test.want, got.line()) {
				t.Errorf("to %s: %q, want %s\n%s", test.to, got.line(), test.want, got.err)
			}
		})
	}
	// What was refused above does answer others.
	for _, to := range []string{metadataAddress + ":80", internetAddress + ":80", hostAddress + ":7000", hostAddress + ":8080"} {
		if got := top.asks(t, top.host, "connect", "tcp", to); got != "ok" {
			t.Errorf("from the host to %s: %s, so the refusals above prove nothing", to, got)
		}
	}
	neighbour.end(t, os.Interrupt)
	top.clean(t)
}

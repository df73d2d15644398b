package network

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

func TestReserve(t *testing.T) {
	r, err := Reserve([]spec.Port{
		publish("127.0.0.1", 0, 80, "tcp"), publish("0.0.0.0", 0, 53, "udp"), {ContainerPort: 81, Protocol: "tcp"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ports := r.Ports()
	if len(ports) != 3 || ports[0].ContainerPort != 80 || ports[1].Protocol != "udp" || !ports[2].HostIP.IsUnspecified() {
		t.Fatalf("ports %v", ports)
	}
	for _, p := range ports {
		if p.HostPort == 0 {
			t.Errorf("no port was chosen: %v", p)
		}
		again, err := Reserve([]spec.Port{p})
		if err == nil {
			again.Close()
			t.Errorf("%s was reserved twice", where(p))
		}
	}
	// Nothing is accepted.
	if got := dial("tcp", fmt.Sprint("127.0.0.1:", ports[0].HostPort)); got != "refused" {
		t.Errorf("a reserved port: %s, want refused", got)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error("closed twice:", err)
	}
	again, err := Reserve(ports)
	if err != nil {
		t.Fatal("after closing:", err)
	}
	again.Close()
}

// The error for a port in use names the port, who has it and a free one.
func TestPortInUse(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "[::]:0"} {
		l, err := net.Listen("tcp", listen)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		port := uint16(l.Addr().(*net.TCPAddr).Port)
		_, err = Reserve([]spec.Port{publish("127.0.0.1", port, 80, "tcp")})
		if err == nil {
			t.Fatal("the port was reserved")
		}
		for _, want := range []string{fmt.Sprintf("127.0.0.1:%d/tcp", port), "in use by process " + strconv.Itoa(os.Getpid())} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q does not tell %q", err, want)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("error %q has several lines", err)
		}
		hint := problem.HintOf(err)
		flag, ok := strings.CutPrefix(hint, "this one is free: -p 127.0.0.1:")
		free, rest, _ := strings.Cut(flag, ":")
		if n, err := strconv.Atoi(free); !ok || err != nil || n <= int(port) || rest != "80" {
			t.Errorf("hint %q", hint)
		}
	}
}

func TestUDPPortInUse(t *testing.T) {
	c, err := net.ListenPacket("udp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	port := uint16(c.LocalAddr().(*net.UDPAddr).Port)
	_, err = Reserve([]spec.Port{publish("127.0.0.1", port, 53, "udp")})
	if err == nil || !strings.Contains(err.Error(), "in use by process") || !strings.HasSuffix(problem.HintOf(err), ":53/udp") {
		t.Errorf("error %v, hint %q", err, problem.HintOf(err))
	}
}

func TestPortOfAnotherSandbox(t *testing.T) {
	state := stateDir(t)
	r, err := Reserve([]spec.Port{publish("0.0.0.0", 8080, 80, "tcp")})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b := attach(t, state, spec.Network{Publish: r.Ports()})
	_, err = Reserve([]spec.Port{publish("127.0.0.1", 8080, 80, "tcp")})
	if err == nil || !strings.Contains(err.Error(), "already published by the sandbox with the address "+b.ip) {
		t.Errorf("error %v", err)
	}
}

func TestPortsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		ports []spec.Port
		want  string
	}{
		"IPv6":                  {[]spec.Port{publish("::1", 8080, 80, "tcp")}, "only IPv4"},
		"protocol":              {[]spec.Port{publish("127.0.0.1", 8080, 80, "sctp")}, "unknown protocol"},
		"no container port":     {[]spec.Port{publish("127.0.0.1", 8080, 0, "tcp")}, "no container port"},
		"multicast":             {[]spec.Port{publish("224.0.0.1", 8080, 80, "udp")}, "multicast"},
		"address of nobody":     {[]spec.Port{publish("192.0.2.77", 8080, 80, "tcp")}, "no such address"},
		"twice":                 {[]spec.Port{publish("127.0.0.1", 8080, 80, "tcp"), publish("127.0.0.1", 8080, 81, "tcp")}, "published twice"},
		"one address and every": {[]spec.Port{publish("0.0.0.0", 8080, 80, "tcp"), publish("127.0.0.1", 8080, 80, "tcp")}, "published twice"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Reserve(tt.ports)
			if err == nil {
				r.Close()
				t.Fatal("it was reserved")
			}
			if !strings.Contains(err.Error(), tt.want) || problem.HintOf(err) == "" {
				t.Errorf("error %q, hint %q, want %q and a hint", err, problem.HintOf(err), tt.want)
			}
		})
	}
}

func FuzzParseSockets(f *testing.F) {
	f.Add([]byte("  sl  local_address rem_address   st\n" +
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 100 0 0 10 0\n"))
	f.Add([]byte("   0: 00000000000000000000000001000000:0050 0:0 0A 0 0 0 0 0 7"))
	f.Add([]byte("0: :: 0 0 0 0 0 0 0 0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, s := range parseSockets(data) {
			if !s.addr.IsValid() {
				t.Errorf("an address that is none: %v", s)
			}
		}
	})
}

func TestParseSockets(t *testing.T) {
	data, err := os.ReadFile("testdata/proc_net_tcp6")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(parseSockets(data))
	want := fmt.Sprint([]hostSocket{
		{netip.MustParseAddr("::"), 8080, 31337}, {netip.MustParseAddr("127.0.0.1"), 22, 0}, {netip.MustParseAddr("fd00::2"), 443, 9},
	})
	if got != want {
		t.Errorf("sockets %v, want %v", got, want)
	}
}

func TestOverlaps(t *testing.T) {
	any4, any6, lo, other := netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1")
	for _, tt := range []struct {
		has, wants netip.Addr
		want       bool
	}{
		{lo, lo, true}, {any4, lo, true}, {any6, lo, true}, {lo, any4, true}, {any6, any4, true},
		{other, lo, false}, {netip.MustParseAddr("::1"), any4, false},
	} {
		if got := overlaps(tt.has, tt.wants); got != tt.want {
			t.Errorf("overlaps(%s, %s) = %v", tt.has, tt.wants, got)
		}
	}
}

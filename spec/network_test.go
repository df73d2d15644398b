package spec_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

func withEgress(t *testing.T, to string, ports ...string) spec.Input {
	in := input(t, "web")
	in.Profile.Network.Egress = []profiles.Egress{{To: to, Ports: ports, Why: "tested"}}
	return in
}

// reaches says whether a plan lets connections to addr out.
func reaches(plan *spec.Plan, addr string) bool {
	a := netip.MustParseAddr(addr)
	return slices.ContainsFunc(plan.Network.Egress, func(e spec.Egress) bool {
		excepted := slices.ContainsFunc(e.Except, func(p netip.Prefix) bool { return p.Contains(a) })
		return e.Prefix.Contains(a) && !excepted
	})
}

func TestInternet(t *testing.T) {
	plan := compile(t, withEgress(t, profiles.Internet, "443/tcp"))
	for _, addr := range []string{"8.8.8.8", "1.1.1.1", "93.184.216.34"} {
		if !reaches(plan, addr) {
			t.Errorf("%s cannot be reached", addr)
		}
	}
	for _, addr := range []string{
		"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "169.254.169.254", "127.0.0.1", "0.0.0.0",
		"224.0.0.1", "255.255.255.255", "100.100.100.200", "168.63.129.16", "198.18.0.1", "240.0.0.1",
	} {
		if reaches(plan, addr) {
			t.Errorf("%s can be reached", addr)
		}
	}
	want := []spec.PortRange{{Protocol: "tcp", First: 443, Last: 443}}
	if !slices.Equal(plan.Network.Egress[0].Ports, want) {
		t.Errorf("ports %v", plan.Network.Egress[0].Ports)
	}
}

// TestWidePrefixes: a wide rule opens private networks when it says so, and
// never the host, the link or metadata services.
func TestWidePrefixes(t *testing.T) {
	for _, to := range []string{"0.0.0.0/0", "128.0.0.0/1", "160.0.0.0/3", "64.0.0.0/2"} {
		plan := compile(t, withEgress(t, to))
		for _, addr := range []string{"169.254.169.254", "127.0.0.1", "168.63.129.16", "100.100.100.200", "224.0.0.251"} {
			if reaches(plan, addr) {
				t.Errorf("%s reaches %s", to, addr)
			}
		}
	}
	if !reaches(compile(t, withEgress(t, "10.0.0.0/8")), "10.1.2.3") {
		t.Error("a private network that is named cannot be reached")
	}
}

func TestNetworkRefusals(t *testing.T) {
	publish := func(p ...spec.Port) func(*spec.Input) {
		return func(in *spec.Input) { in.Request.Publish = p }
	}
	egress := func(to string) func(*spec.Input) {
		return func(in *spec.Input) { in.Profile.Network.Egress = []profiles.Egress{{To: to, Why: "tested"}} }
	}
	local := netip.MustParseAddr("127.0.0.1")
	for _, c := range []struct {
		what   string
		change func(*spec.Input)
		want   string
	}{
		{"metadata", egress("169.254.169.254"), "never reachable"},
		{"the link", egress("169.254.0.0/16"), "never reachable"},
		{"IPv6", egress("2001:4860::/32"), "no IPv6"},
		{"IPv6 published", publish(spec.Port{HostIP: netip.IPv6Loopback(), HostPort: 80, ContainerPort: 80, Protocol: "tcp"}), "no IPv6"},
		{"port 0", publish(spec.Port{HostIP: local, HostPort: 80, Protocol: "tcp"}), "cannot be published"},
		{"sctp", publish(spec.Port{HostIP: local, HostPort: 80, ContainerPort: 80, Protocol: "sctp"}), "cannot be published"},
		{"twice", publish(
			spec.Port{HostIP: local, HostPort: 80, ContainerPort: 80, Protocol: "tcp"},
			spec.Port{HostIP: local, HostPort: 80, ContainerPort: 81, Protocol: "tcp"},
		), "twice"},
		{"without nf_tables", func(in *spec.Input) {
			in.Host.Nftables = spec.No
			accept(in, profiles.WeakNetworkIsolation)
			in.Request.Publish = []spec.Port{{HostIP: local, HostPort: 80, ContainerPort: 80, Protocol: "tcp"}}
		}, "nf_tables"},
	} {
		in := input(t, "web")
		c.change(&in)
		_, err := spec.Compile(in)
		if err == nil || !strings.Contains(err.Error(), c.want) || problem.HintOf(err) == "" {
			t.Errorf("%s: error %v, want one with %q and a hint", c.what, err, c.want)
		}
	}
}

// TestResolvers: only with egress, only IPv4, never link-local.
func TestResolvers(t *testing.T) {
	in := withEgress(t, profiles.Internet)
	in.Host = hostV2()
	plan := compile(t, in)
	if got := plan.Network.DNS; len(got) != 1 || got[0].String() != "198.51.100.1" {
		t.Errorf("resolvers %v", got)
	}
	if !strings.Contains(resolvConf(plan), "nameserver 198.51.100.1\n") {
		t.Errorf("resolv.conf is %q", resolvConf(plan))
	}
	in.Profile.Network.Egress = nil
	if plan := compile(t, in); plan.Network.DNS != nil || strings.Contains(resolvConf(plan), "\nnameserver") {
		t.Errorf("without egress: %v, %q", plan.Network.DNS, resolvConf(plan))
	}
}

func resolvConf(plan *spec.Plan) string {
	for _, f := range plan.Rootfs.Files {
		if f.Path == "/etc/resolv.conf" {
			return f.Content
		}
	}
	return ""
}

func TestPortStart(t *testing.T) {
	const name = "net.ipv4.ip_unprivileged_port_start"
	if got := compile(t, input(t, "web")).OCI.Linux.Sysctl[name]; got != "0" {
		t.Errorf("web: %q", got)
	}
	if got := compile(t, input(t, "default")).OCI.Linux.Sysctl; got != nil {
		t.Errorf("default: %v", got)
	}
}

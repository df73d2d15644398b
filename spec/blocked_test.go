package spec_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/event"
)

// TestBlockedDenial: each refusal of the network says what it is, and either what
// to do or lines of a profile that let exactly that through.
func TestBlockedDenial(t *testing.T) {
	for _, c := range []struct {
		to       string
		protocol uint8
		place    spec.Place
		severity event.Severity
		want     string
	}{
		{"93.184.216.34:443", 6, "", event.Medium, "    - {to: 93.184.216.34, ports: [443/tcp], why: ...}"},
		{"10.1.2.3:53", 17, "", event.Medium, "    - {to: 10.1.2.3, ports: [53/udp], why: ...}"},
		{"93.184.216.34:0", 1, "", event.Medium, "only a rule without ports lets icmp through"},
		{"93.184.216.34:0", 6, "", event.Medium, "only a rule without ports"},
		{"93.184.216.34:0", 132, "", event.Medium, "protocol 132"},
		{"169.254.169.254:80", 6, "", event.High, "no profile"},
		{"169.254.170.2:80", 6, "", event.High, "no profile"},
		{"100.100.100.200:80", 6, "", event.High, "no profile"},
		{"168.63.129.16:80", 6, "", event.High, "no profile"},
		{"169.254.1.1:80", 6, "", event.Medium, "no profile"},
		{"224.0.0.251:5353", 17, "", event.Medium, "no profile"},
		{"255.255.255.255:67", 17, "", event.Medium, "no profile"},
		{"198.51.100.2:22", 6, spec.PlaceHost, event.Medium, "nothing opens the host"},
		{"10.88.0.7:80", 6, spec.PlaceSandbox, event.Medium, "containers do not reach each other"},
		{"0.0.0.0:0", 0, spec.PlaceMany, event.Medium, "network.egress"},
		{"0.0.0.0:0", 0, spec.PlaceManyLinkLocal, event.High, "no profile"},
	} {
		d := spec.Blocked{To: netip.MustParseAddrPort(c.to), Protocol: c.protocol, Place: c.place, Count: 2}.Denial()
		lines := strings.Join(d.Allow, "\n")
		if d.Control != event.Network || d.Count != 2 || d.Severity != c.severity || !strings.Contains(lines+d.Instead, c.want) ||
			d.Meaning == "" || (lines == "") == (d.Instead == "") || lines != "" && d.Risk == "" {
			t.Errorf("%s: %+v", c.to, d)
		}
		if lines == "" {
			continue
		}
		text := "apiVersion: safe-run.dev/v1\nkind: Profile\nmetadata: {name: p}\n" + strings.ReplaceAll(lines, "why: ...", "why: x") + "\n"
		p, err := profiles.Decode("p.yaml", []byte(text))
		if err != nil {
			t.Errorf("%v\n%s", err, text)
			continue
		}
		in := input(t, "web")
		in.Profile = profiles.Layer(in.Profile, p)
		plan := compile(t, in)
		egress, to := plan.Network.Egress, netip.MustParseAddrPort(c.to)
		if len(egress) != 1 || egress[0].Prefix != netip.PrefixFrom(to.Addr(), 32) || len(egress[0].Ports) != 1 || egress[0].Ports[0].First != to.Port() || egress[0].Ports[0].Last != to.Port() {
			t.Errorf("the lines for %s open %+v", c.to, egress)
		}
	}
}

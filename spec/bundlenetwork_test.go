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

// TestBundleNetworkPower: what gets around the rules of a network is refused
// where a profile does not accept that it does.
func TestBundleNetworkPower(t *testing.T) {
	for _, c := range []struct{ capability, family, power string }{
		{"", "AF_INET6", ""},
		{"", "AF_PACKET", ""}, // which the kernel refuses
		{"NET_RAW", "AF_NETLINK", ""},
		{"NET_RAW", "AF_PACKET", "CAP_NET_RAW and AF_PACKET"},
		{"NET_RAW", "AF_XDP", "CAP_NET_RAW and AF_XDP"},
		{"NET_ADMIN", "AF_INET", "CAP_NET_ADMIN"},
		{"", "AF_VSOCK", "AF_VSOCK"},
	} {
		t.Run(c.capability+" "+c.family, func(t *testing.T) {
			in := bundleInput(t)
			in.Encloses = true
			in.Profile.Seccomp.AddressFamilies = append(in.Profile.Seccomp.AddressFamilies, profiles.Family{Name: c.family, Why: "tested"})
			if c.capability != "" {
				in.Profile.Process.Capabilities = append(in.Profile.Process.Capabilities, profiles.Capability{Name: c.capability, Why: "tested"})
				p := in.OCI.Process.Capabilities
				name := "CAP_" + c.capability
				p.Bounding, p.Effective, p.Permitted = append(p.Bounding, name), append(p.Effective, name), append(p.Permitted, name)
			}
			_, err := spec.MeetBundle(in)
			if c.power == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), " gives "+c.power+",") || !strings.Contains(problem.HintOf(err), profiles.WeakNetworkIsolation) {
				t.Errorf("%v (%s)", err, problem.HintOf(err))
			}
			in.Profile.Accept = append(in.Profile.Accept, profiles.Accept{Name: profiles.WeakNetworkIsolation, Why: "tested"})
			if _, err := spec.MeetBundle(in); err != nil {
				t.Error("accepted:", err)
			}
		})
	}
}

// TestBundleEgress6: a rule that is wide opens no IPv4 address by way of IPv6; one
// that names such a prefix does.
func TestBundleEgress6(t *testing.T) {
	for to, reached := range map[string]bool{"::/0": false, "64:ff9b::/96": true, "2002:a00::/24": true, "2000::/3": false} {
		in := bundleInput(t)
		in.Encloses = true
		in.Profile.Network.Egress = []profiles.Egress{{To: to, Why: "tested"}}
		met := meetBundle(t, in)
		for _, addr := range []string{"64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:a00:1::1"} {
			a := netip.MustParseAddr(addr)
			open := slices.ContainsFunc(met.Network.Egress, func(e spec.Egress) bool {
				return e.Prefix.Contains(a) && !slices.ContainsFunc(e.Except, func(x netip.Prefix) bool { return x.Contains(a) })
			})
			if open != (reached && netip.MustParsePrefix(to).Contains(a)) {
				t.Errorf("to: %s, and %s is reached: %t", to, addr, open)
			}
		}
	}
}

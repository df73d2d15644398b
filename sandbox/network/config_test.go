package network

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

func bridged() spec.Network { return spec.Network{Mode: spec.NetworkBridge} }

func TestConfigRefused(t *testing.T) {
	good := Config{ID: strings.Repeat("ab", 32), Slot: 1, Network: bridged()}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"short id":       func(c *Config) { c.ID = c.ID[1:] },
		"id with a path": func(c *Config) { c.ID = "../" + c.ID[3:] },
		"capital id":     func(c *Config) { c.ID = strings.ToUpper(c.ID) },
		"low slot":       func(c *Config) { c.Slot = -1 },
		"high slot":      func(c *Config) { c.Slot = maxSlot + 1 },
		"mode":           func(c *Config) { c.Network.Mode = "host" },
		"no host port":   func(c *Config) { c.Network.Publish = []spec.Port{publish("127.0.0.1", 0, 80, "tcp")} },
		"IPv6":           func(c *Config) { c.Network.Publish = []spec.Port{publish("::1", 80, 80, "tcp")} },
		"too much": func(c *Config) {
			c.Network.Egress = make([]spec.Egress, maxRules)
		},
	} {
		c := good
		change(&c)
		if err := c.check(); err == nil || problem.HintOf(err) == "" {
			t.Errorf("%s: error %v, want one with a hint", name, err)
		}
	}
}

func TestForwards(t *testing.T) {
	for name, tt := range map[string]struct {
		n    spec.Network
		want bool
	}{
		"nothing":   {spec.Network{}, false},
		"loopback":  {spec.Network{Publish: []spec.Port{publish("127.0.0.2", 80, 80, "tcp")}}, false},
		"published": {spec.Network{Publish: []spec.Port{publish("0.0.0.0", 80, 80, "tcp")}}, true},
		"egress":    {spec.Network{Egress: everywhere()}, true},
		"IPv6 only": {spec.Network{Egress: []spec.Egress{{Prefix: netip.MustParsePrefix("::/0")}}}, false},
	} {
		if got := forwards(tt.n); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Every slot has an address of its own within every candidate, which is not
// the bridge's and neither end of the subnet; and a hardware address.
func TestAddresses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		subnet := rapid.SampledFrom(candidates).Draw(t, "subnet")
		br := bridge{subnet: subnet, gateway: subnet.Addr().Next()}
		a, b := rapid.IntRange(0, maxSlot).Draw(t, "a"), rapid.IntRange(0, maxSlot).Draw(t, "b")
		x, y := br.address(a), br.address(b)
		if !subnet.Contains(x) || x == br.gateway || x == subnet.Addr() || !subnet.Contains(x.Next()) {
			t.Fatalf("slot %d has %s in %s", a, x, subnet)
		}
		if (x == y) != (a == b) || (macOf(x).String() == macOf(y).String()) != (a == b) {
			t.Fatalf("slots %d and %d have %s and %s", a, b, x, y)
		}
		if m := macOf(x); m[0]&3 != 2 {
			t.Fatalf("%s is no locally administered address of one interface", m)
		}
	})
}

func TestChooseSubnet(t *testing.T) {
	prefixes := func(s ...string) (out []netip.Prefix) {
		for _, p := range s {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	for _, tt := range []struct {
		taken []netip.Prefix
		want  string
	}{
		{nil, "10.213.0.0/19"},
		{prefixes("10.213.31.255/32"), "10.214.0.0/19"},
		{prefixes("10.0.0.0/8"), "172.29.0.0/19"},
		{prefixes("10.0.0.0/8", "172.16.0.0/12"), "192.168.192.0/19"},
		{prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"), ""},
	} {
		got, err := chooseSubnet(tt.taken)
		if (err != nil) != (tt.want == "") || (err == nil && got.String() != tt.want) {
			t.Errorf("with %v taken: %s, %v, want %s", tt.taken, got, err, tt.want)
		}
		if err != nil && problem.HintOf(err) == "" {
			t.Errorf("%v has no hint", err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "address")
		taken := netip.PrefixFrom(netip.AddrFrom4([4]byte(b)), rapid.IntRange(1, 32).Draw(t, "bits")).Masked()
		if got, err := chooseSubnet([]netip.Prefix{taken}); err == nil && got.Overlaps(taken) {
			t.Fatalf("%s overlaps %s", got, taken)
		}
	})
}

func TestV4(t *testing.T) {
	for in, want := range map[string]string{
		"10.1.2.3/8": "10.0.0.0/8", "::ffff:10.1.2.3/104": "10.0.0.0/8",
		"::/0": "invalid Prefix", "fd00:ec2::254/128": "invalid Prefix", "::ffff:0:0/90": "invalid Prefix",
	} {
		if got := v4(netip.MustParsePrefix(in)).String(); got != want {
			t.Errorf("v4(%s) = %s, want %s", in, got, want)
		}
	}
	if v4(netip.Prefix{}).IsValid() {
		t.Error("no prefix became one")
	}
}

func FuzzDecodeRecord(f *testing.F) {
	id := strings.Repeat("ab", 32)
	good, err := json.Marshal(record{ID: id, Slot: 3, Address: netip.MustParseAddr("10.213.0.5"), Network: bridged()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(fmt.Sprintf(`{"id":%q,"address":"::1","network":{"mode":"bridge"}}`, id)))
	f.Add([]byte(`{"id":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRecord(id, data)
		if err != nil {
			return
		}
		if r.ID != id || !r.Address.Is4() || (Config{ID: r.ID, Slot: r.Slot, Network: r.Network}).check() != nil {
			t.Errorf("took %q", data)
		}
		sandboxElements(r) // must not panic
	})
}

// One cannot be made to take the host's own network for a sandbox's.
func TestAttachRefusesTheHost(t *testing.T) {
	needsHost(t)
	_, err := Attach(context.Background(), Config{ID: newID(), Network: bridged(), State: t.TempDir()}, os.Getpid())
	if err == nil || !strings.Contains(err.Error(), "host's network namespace") {
		t.Errorf("attach to the host itself: %v", err)
	}
}

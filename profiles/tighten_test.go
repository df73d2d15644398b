package profiles

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// profileOf reads a body; it must be good.
func profileOf(t *testing.T, body string) Profile {
	t.Helper()
	p, err := Decode("t", []byte(head+body))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// written is the policy of a profile as YAML, without the head.
func written(t *testing.T, p Profile) string {
	t.Helper()
	p.Metadata = Metadata{Name: "t"}
	out, err := Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(out[len(head):])
}

func TestTightenByField(t *testing.T) {
	tests := []struct{ name, a, b, want string }{
		{"limits: the lower", "resources: {memory: 1g, pids: 5}", "resources: {memory: 2g, pids: 3, cpus: 2}", "resources:\n  memory: 1GiB\n  cpus: 2\n  pids: 3\n"},
		{"ids: the higher", "process: {runAsUser: 0}", "process: {runAsUser: 1000}", "process:\n  runAsUser: 1000\n"},
		{"read-only: if either", "rootfs: {readOnly: false, why: x}", "rootfs: {readOnly: true}", "rootfs:\n  readOnly: true\n  why: x\n"},
		{"root: if both", "process: {root: {allow: true, why: x}}", "process: {root: {allow: false}}", "process:\n  root:\n    allow: false\n    why: x\n"},
		{"network: the tighter", "network: {mode: bridge}", "network: {mode: none}", "network:\n  mode: none\n"},
		{"user: the tighter", "process: {userFrom: image}", "process: {userFrom: profile}", "process:\n  userFrom: profile\n"},
		{"mode: sticky restricts", "mounts: {tmpfs: [{path: /t, mode: 0775}]}", "mounts: {tmpfs: [{path: /t, mode: 01757}]}", "mounts:\n  tmpfs:\n    - path: /t\n      mode: \"01755\"\n"},
		{"capabilities: in both", "process: {capabilities: [{name: CHOWN, why: a}, {name: KILL, why: a}]}", "process: {capabilities: [{name: KILL, why: b}]}", "process:\n  capabilities:\n    - name: KILL\n      why: a\n"},
		{"nothing against something", "process: {capabilities: []}", "process: {capabilities: [{name: KILL, why: b}]}", "process:\n  capabilities: []\n"},
		{"rlimits: of either, the lower", "process: {rlimits: [{name: core, soft: 5, hard: 9}]}", "process: {rlimits: [{name: core, soft: 7, hard: 7}, {name: cpu, soft: 1, hard: 1}]}", "process:\n  rlimits:\n    - name: core\n      soft: 5\n      hard: 7\n    - name: cpu\n      soft: 1\n      hard: 1\n"},
		{"masks: of either", "paths: {masked: [/a, /b]}", "paths: {masked: [/b, /c]}", "paths:\n  masked: [/a, /b, /c]\n"},
		{"calls: groups are kept", "seccomp: {allow: [{name: \"@fsync\", why: a}]}", "seccomp: {allow: [{name: \"@fsync\", why: b}, {name: read, why: b}]}", "seccomp:\n  allow:\n    - name: '@fsync'\n      why: a\n"},
		{"calls: groups are taken apart", "seccomp: {allow: [{name: \"@fsync\", why: a}]}", "seccomp: {allow: [{name: fsync, why: b}]}", "seccomp:\n  allow:\n    - name: fsync\n      why: a\n"},
		{"egress: the inner prefix", "network: {egress: [{to: 10.0.0.0/8, why: a}]}", "network: {egress: [{to: 10.1.0.0/16, ports: [5-9/tcp], why: b}]}", "network:\n  egress:\n    - to: 10.1.0.0/16\n      ports: [5-9/tcp]\n      why: a\n"},
		{"egress: the word stays", "network: {egress: [{to: internet, ports: [443/tcp, 80/tcp], why: a}]}", "network: {egress: [{to: internet, ports: [443/tcp], why: b}]}", "network:\n  egress:\n    - to: internet\n      ports: [443/tcp]\n      why: a\n"},
		{"egress: half of the word", "network: {egress: [{to: internet, why: a}]}", "network: {egress: [{to: 0.0.0.0/0, why: b}]}", "network:\n  egress:\n    - to: internet4\n      why: a\n"},
		{"egress: private is not public", "network: {egress: [{to: internet, why: a}]}", "network: {egress: [{to: 192.168.1.0/24, why: b}]}", "network:\n  egress: []\n"},
		{"egress: the public part", "network: {egress: [{to: internet, why: a}]}", "network: {egress: [{to: 192.168.0.0/15, why: b}]}", "network:\n  egress:\n    - to: 192.169.0.0/16\n      why: a\n"},
		{"egress: what another rule covers goes", "network: {egress: [{to: 8.0.0.0/8, why: a}, {to: 8.8.8.8/32, ports: [53/udp], why: a}]}", "network: {egress: [{to: internet, why: b}]}", "network:\n  egress:\n    - to: 8.0.0.0/8\n      why: a\n"},
		{"egress: without a network", "network: {mode: none}", "network: {mode: bridge, egress: [{to: internet, why: b}]}", "network:\n  mode: none\n  egress: []\n"},
		{"registries: the inner path", "image: {registries: [ghcr.io, quay.io]}", "image: {registries: [ghcr.io/acme]}", "image:\n  registries: [ghcr.io/acme]\n"},
		{"registries: at a slash", "image: {registries: [ghcr.io/acme]}", "image: {registries: [ghcr.io/acmes]}", "image:\n  registries: []\n"},
		{"registries: without saying", "image: {requireDigest: false}", "image: {registries: [ghcr.io]}", "image:\n  registries: [ghcr.io]\n  requireDigest: false\n"},
		{"digest: if either", "image: {requireDigest: false}", "image: {requireDigest: true}", "image:\n  requireDigest: true\n"},
		{"signatures: of either, also of one name", "image: {signatures: [{name: r, keys: [/a]}]}", "image: {signatures: [{name: r, keys: [/a, /b]}]}", "image:\n  signatures:\n    - name: r\n      keys: [/a]\n    - name: r\n      keys: [/a, /b]\n"},
		{"signatures: the same in another order", "image: {signatures: [{name: r, keys: [/b, /a], why: x}]}", "image: {signatures: [{name: r, keys: [/a, /b], why: y}]}", "image:\n  signatures:\n    - name: r\n      keys: [/b, /a]\n      why: x\n"},
		{"gate: the lower severity and age", "image: {vulnerabilities: {block: high, maxAge: 1h}}", "image: {vulnerabilities: {block: low, maxAge: 2h}}", "image:\n  vulnerabilities:\n    block: low\n    fixableOnly: false\n    maxAge: 1h0m0s\n    vex: []\n"},
		{"gate: what one does not loosen", "image: {vulnerabilities: {block: high}}", "image: {vulnerabilities: {block: critical, fixableOnly: true, maxAge: 48h, vex: [/v], why: x}}", "image:\n  vulnerabilities:\n    block: high\n    fixableOnly: false\n    maxAge: 24h0m0s\n    vex: []\n    why: x\n"},
		{"gate: of one alone", "image: {}", "image: {vulnerabilities: {block: critical, fixableOnly: true, maxAge: 48h, vex: [/v], why: x}}", "image:\n  vulnerabilities:\n    block: critical\n    fixableOnly: true\n    maxAge: 48h0m0s\n    vex: [/v]\n    why: x\n"},
		{"gate: sources in both", "image: {vulnerabilities: {block: high, sources: [report, scanner]}}", "image: {vulnerabilities: {block: high, sources: [attestation, scanner]}}", "image:\n  vulnerabilities:\n    block: high\n    fixableOnly: false\n    maxAge: 24h0m0s\n    sources: [scanner]\n    vex: []\n"},
		{"gate: two reports are none", "image: {vulnerabilities: {block: high, report: /a}}", "image: {vulnerabilities: {block: high, report: /b}}", "image:\n  vulnerabilities:\n    block: high\n    fixableOnly: false\n    maxAge: 24h0m0s\n    report: none\n    vex: []\n"},
		{"accepted: by both", "accept: [{name: seccomp, why: a}]", "accept: []", "accept: []\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := profileOf(t, tt.a), profileOf(t, tt.b)
			if diff := cmp.Diff(tt.want, written(t, Tighten(a, b))); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(Canonical(Tighten(a, b)), Canonical(Tighten(b, a))); diff != "" {
				t.Errorf("the other way round: %s", diff)
			}
		})
	}
}

func TestTightenKeepsOrigins(t *testing.T) {
	profile, err1 := Decode("web", []byte(head+"resources: {memory: 1g, pids: 5}\nseccomp: {allow: [{name: \"@fsync\", why: data}]}\n"))
	floor, err2 := Decode("floor", []byte(head+"resources: {memory: 512m}\nseccomp: {allow: [{name: fsync, why: fine}]}\n"))
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	met := Tighten(profile, floor)
	for path, want := range map[string]Origin{
		"resources.memory":     {"floor", 5, 21, ""},
		"resources.pids":       {"web", 5, 31, ""},
		"seccomp.allow[fsync]": {"web", 6, 19, "data"},
	} {
		if got := met.Origins[path]; got != want {
			t.Errorf("%s: %+v, want %+v", path, got, want)
		}
	}
}

// allows answers for one address and port by the rules as a person reads them,
// independently of the arithmetic.
func allows(rules []Egress, addr netip.Addr, protocol string, port uint16) bool {
	return slices.ContainsFunc(rules, func(e Egress) bool {
		spans, _ := e.Spans()
		ports, _ := e.PortRanges()
		to := slices.ContainsFunc(spans, func(s Span) bool {
			return s.Prefix.Contains(addr) && !slices.ContainsFunc(s.Except, func(p netip.Prefix) bool { return p.Contains(addr) })
		})
		open := len(ports) == 0 || slices.ContainsFunc(ports, func(r PortRange) bool {
			return r.Protocol == protocol && r.First <= port && port <= r.Last
		})
		return to && open
	})
}

// The meet of two lists allows a connection exactly when both lists do, and so
// does the canonical form of a list.
func TestEgressIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyProfile(t, "a"), anyProfile(t, "b")
		a.Network.Egress, b.Network.Egress = append(a.Network.Egress, Egress{To: Internet}), append(b.Network.Egress, Egress{To: "10.0.0.0/8"})
		a.Network.Mode, b.Network.Mode = nil, nil
		left, right := a.Network.Egress, b.Network.Egress
		met, canonical := Tighten(a, b).Network.Egress, Canonical(a).Network.Egress
		for range 20 {
			addr := anyAddr(t)
			protocol := rapid.SampledFrom([]string{"tcp", "udp"}).Draw(t, "protocol")
			port := rapid.SampledFrom([]uint16{1, 53, 80, 81, 443, 8000, 8060, 8150, 65535}).Draw(t, "port")
			l, r := allows(left, addr, protocol, port), allows(right, addr, protocol, port)
			if got := allows(met, addr, protocol, port); got != (l && r) {
				t.Fatalf("%s %d/%s: left %t, right %t, met %t (%v)", addr, port, protocol, l, r, got, met)
			}
			if got := allows(canonical, addr, protocol, port); got != l {
				t.Fatalf("%s %d/%s: %t, canonical %t", addr, port, protocol, l, got)
			}
		}
	})
}

// anyAddr draws an address at or beside the edge of some prefix.
func anyAddr(t *rapid.T) netip.Addr {
	four, six := internet4(), internet6()
	edges := append(append(four.Except, six.Except...), prefixes("8.8.8.0/24", "10.1.0.0/16", "10.1.2.3/32", "128.0.0.0/1", "fd00::/8", "2000::/4")...)
	p := rapid.SampledFrom(edges).Draw(t, "edge")
	addr := rapid.SampledFrom([]netip.Addr{p.Addr(), p.Addr().Prev(), lastOf(p), lastOf(p).Next()}).Draw(t, "addr")
	if !addr.IsValid() {
		return p.Addr()
	}
	return addr
}

// The same connections have the same canonical form, however they are written.
func TestCanonicalEgress(t *testing.T) {
	for _, pair := range [][2]string{
		{"[{to: 10.0.0.0/9, why: x}, {to: 10.128.0.0/9, why: y}]", "[{to: 10.0.0.0/8, why: z}]"},
		{"[{to: 10.0.0.1, ports: [80-81/tcp, 82/tcp], why: x}]", "[{to: 10.0.0.1/32, ports: [81-82/tcp, 80/tcp], why: x}]"},
		{"[{to: 10.0.0.1, why: x}, {to: 10.0.0.1, ports: [5/udp], why: x}]", "[{to: 10.0.0.1, why: x}]"},
		{"[{to: internet, why: x}]", "[{to: internet6, why: x}, {to: internet4, why: x}]"},
		{"[{to: 10.0.0.1, ports: [80/tcp], why: x}, {to: 10.0.0.1, ports: [81/tcp], why: x}]", "[{to: 10.0.0.1, ports: [80-81/tcp], why: x}]"},
	} {
		a, b := profileOf(t, "network: {egress: "+pair[0]+"}"), profileOf(t, "network: {egress: "+pair[1]+"}")
		if diff := cmp.Diff(Canonical(a), Canonical(b)); diff != "" {
			t.Errorf("%s and %s differ: %s", pair[0], pair[1], diff)
		}
		if changes := Diff(a, b); len(changes) > 0 {
			t.Errorf("%s and %s differ: %+v", pair[0], pair[1], changes)
		}
	}
}

func TestInternetLeavesOutWhatIsNotPublic(t *testing.T) {
	rules := []Egress{{To: Internet}}
	for _, addr := range []string{
		"10.1.2.3", "172.31.0.1", "192.168.0.1", "127.0.0.1", "169.254.169.254", "100.100.100.200", "0.0.0.0", "224.0.0.1",
		"255.255.255.255", "168.63.129.16", "192.0.0.192", "::1", "fd00:ec2::254", "fe80::1", "ff02::1", "2002:a00:1::1", "64:ff9b::a00:1",
	} {
		if allows(rules, netip.MustParseAddr(addr), "tcp", 80) {
			t.Errorf("the internet holds %s", addr)
		}
	}
	for _, addr := range []string{"1.1.1.1", "8.8.8.8", "172.32.0.1", "193.0.0.1", "2606:4700::1111"} {
		if !allows(rules, netip.MustParseAddr(addr), "tcp", 80) {
			t.Errorf("the internet does not hold %s", addr)
		}
	}
}

func TestLooser(t *testing.T) {
	floor := `
process: {capabilities: [{name: KILL, why: x}], rlimits: [{name: core, soft: 0, hard: 0}], stopSignal: TERM}
rootfs: {readOnly: true}
mounts: {tmpfs: [{path: /tmp, size: 64m, exec: false}]}
paths: {masked: [/proc/kcore]}
resources: {memory: 1g}
seccomp: {allow: [{name: "@base", why: x}]}
network: {mode: bridge, egress: [{to: internet, ports: [443/tcp], why: x}]}
`
	tests := []struct{ name, body, path, old, new string }{
		{"more memory", "resources: {memory: 2g}", "resources.memory", "1GiB", "2GiB"},
		{"no limit", "resources: {pids: 1}", "resources.memory", "1GiB", ""},
		{"a capability", "process: {capabilities: [{name: CHOWN, why: x}]}", "process.capabilities[CHOWN]", "", "listed"},
		{"a missing rlimit", "process: {rlimits: []}", "process.rlimits[core]", "soft 0, hard 0", ""},
		{"a higher rlimit", "process: {rlimits: [{name: core, soft: 0, hard: 1}]}", "process.rlimits[core].hard", "0", "1"},
		{"a writable image", "rootfs: {readOnly: false, why: x}", "rootfs.readOnly", "true", "false"},
		{"another tmpfs", "mounts: {tmpfs: [{path: /x, size: 1m}]}", "mounts.tmpfs[/x]", "", "size 1MiB"},
		{"programs in a tmpfs", "mounts: {tmpfs: [{path: /tmp, size: 1m, exec: true, why: x}]}", "mounts.tmpfs[/tmp].exec", "false", "true"},
		{"a tmpfs without a size", "mounts: {tmpfs: [{path: /tmp}]}", "mounts.tmpfs[/tmp].size", "64MiB", ""},
		{"a missing mask", "paths: {masked: [/proc/keys]}", "paths.masked[/proc/kcore]", "listed", ""},
		{"calls", "seccomp: {allow: [{name: read, why: x}, {name: \"@fsync\", why: x}]}", "seccomp.allow[@fsync]", "", "fdatasync fsync msync"},
		{"connections", "network: {mode: bridge, egress: [{to: internet, ports: [80/tcp], why: x}]}", "network.egress[internet 80/tcp]", "", "internet 80/tcp"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := profileOf(t, tt.body)
			changes := Looser(p, profileOf(t, floor))
			i := slices.IndexFunc(changes, func(c Change) bool { return c.Path == tt.path })
			if i < 0 || changes[i].Old != tt.old || changes[i].New != tt.new || !changes[i].Looser || changes[i].Origin.Line == 0 {
				t.Errorf("%+v", changes)
			}
		})
	}
	within := `
process: {capabilities: [], rlimits: [{name: core, soft: 0, hard: 0}, {name: cpu, soft: 1, hard: 1}], stopSignal: QUIT}
rootfs: {readOnly: true}
mounts: {tmpfs: [{path: /tmp, size: 1m}]}
paths: {masked: [/proc/kcore, /proc/keys]}
resources: {memory: 512m}
seccomp: {allow: [{name: read, why: x}]}
network: {mode: none, egress: [{to: 8.8.8.8, ports: [443/tcp], why: x}]}
accept: [{name: seccomp, why: the floor does not speak of it}]
`
	if changes := Looser(profileOf(t, within), profileOf(t, floor)); len(changes) > 0 {
		t.Errorf("within the floor, but: %+v", changes)
	}
}

func TestDiff(t *testing.T) {
	a := profileOf(t, "resources: {memory: 1g}\nprocess: {capabilities: [{name: KILL, why: x}]}\nseccomp: {allow: [{name: \"@fsync\", why: x}]}\n")
	b := profileOf(t, "resources: {memory: 512m}\nseccomp: {allow: [{name: fsync, why: x}]}\n")
	got := Diff(a, b)
	want := []Change{
		{"process.capabilities[KILL]", "listed", "", false, Origin{"t", 6, 26, "x"}},
		{"resources.memory", "1GiB", "512MiB", false, Origin{"t", 5, 21, ""}},
		{"seccomp.allow[@fsync]", "fdatasync msync", "", false, Origin{"t", 7, 19, "x"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, c := range Diff(b, a) {
		if !c.Looser {
			t.Errorf("the way back loosens nothing: %+v", c)
		}
	}
}

func TestValidateJudgesWhatFlagsSet(t *testing.T) {
	user, mode, from := int64(-1), Mode(0o17777), UserFrom("me")
	signal, network := Signal("TERM"), NetworkMode("host")
	p := Profile{
		Process: Process{RunAsUser: &user, UserFrom: &from, StopSignal: &signal,
			Capabilities: []Capability{{Name: "KILL", Why: "x"}, {Name: "KILL", Why: "x"}}},
		Mounts:  Mounts{Tmpfs: []Tmpfs{{Path: "/tmp\x00", Mode: &mode}}},
		Network: Network{Mode: &network, Why: "x"},
		Origins: Origins{"process.runAsUser": {Source: "flag --user"}},
	}
	want := `process.capabilities[KILL]: listed twice
flag --user: process.runAsUser: -1 is not between 0 and 65535
process.userFrom: "me" is not a user source
process.stopSignal: "TERM" is not the name of a signal
mounts.tmpfs[/tmp\x00]: the path holds a zero byte
mounts.tmpfs[/tmp\x00].mode: 017777 is not a file mode
network.mode: "host" is not a network mode`
	err := Validate(p)
	if err == nil {
		t.Fatal("accepted")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestWeakeningsHaveMeanings(t *testing.T) {
	for _, w := range Weakenings() {
		if w.Meaning == "" || !nameKnown("weakening", w.Name) {
			t.Errorf("%+v", w)
		}
	}
}

func BenchmarkCanonicalEgress(b *testing.B) {
	p := Profile{}
	for i := range maxEgress {
		p.Network.Egress = append(p.Network.Egress, Egress{To: Internet, Ports: []string{PortRange{"tcp", uint16(i + 1), uint16(i + 1)}.String()}})
	}
	for b.Loop() {
		Canonical(p)
	}
}

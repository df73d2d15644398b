package profiles

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safe-run/safe-run/spec/problem"
)

// head begins every good document; it has four lines.
const head = "apiVersion: safe-run.dev/v1\nkind: Profile\nmetadata:\n  name: t\n"

func TestDecodeRefuses(t *testing.T) {
	tests := []struct{ name, body, want, hint string }{
		{"unknown key", "resources:\n  memmory: 1g\n", `t.yaml:6:3: unknown key "memmory" in resources, did you mean "memory"?`, "the keys here are memory, swap, cpus, pids"},
		{"unknown key in other case", "rootfs: {readonly: true}\n", `t.yaml:5:10: unknown key "readonly" in rootfs, did you mean "readOnly"?`, "readOnly, size, why"},
		{"unknown key at the top", "sekcomp: {}\n", `t.yaml:5:1: unknown key "sekcomp", did you mean "seccomp"?`, "the keys here are"},
		{"unlike any key", "xyzzy: 1\n", `t.yaml:5:1: unknown key "xyzzy"`, "the keys here are"},
		{"doubled key", "resources:\n  pids: 1\n  pids: 2\n", "t.yaml:7:3: resources.pids is given twice", "keep one"},
		{"doubled entry", "paths:\n  masked: [/a, /b, /a]\n", "t.yaml:6:20: paths.masked[/a] is listed twice", "keep one"},
		{"number for text", "metadata: {name: 5}\n", "metadata is given twice", ""},
		{"text for a number", "resources:\n  pids: many\n", `t.yaml:6:9: resources.pids must be a whole number, not "many"`, "decimal"},
		{"hexadecimal number", "resources:\n  pids: 0x10\n", `resources.pids must be a whole number, not "0x10"`, "decimal"},
		{"quoted number", "resources:\n  pids: \"12\"\n", `resources.pids must be a whole number, not "12"`, "decimal"},
		{"too large a number", "resources:\n  pids: 99999999999999999999\n", "resources.pids must be a whole number", "decimal"},
		{"text for a truth value", "rootfs:\n  readOnly: \"yes\"\n", `t.yaml:6:13: rootfs.readOnly must be true or false, not "yes"`, "true or false"},
		{"truth value for text", "rootfs:\n  why: true\n", "t.yaml:6:8: rootfs.why must be text, and this reads as bool", `put it in quotes: "true"`},
		{"bad size", "resources:\n  memory: 1gig\n", `t.yaml:6:11: resources.memory: "1gig" is not a size`, "64MiB"},
		{"bad mode", "network: {mode: brigde}\n", `t.yaml:5:17: network.mode: "brigde" is not a network mode, did you mean "bridge"?`, "none, bridge"},
		{"list for a mapping", "resources: []\n", "t.yaml:5:12: resources must be a mapping, not a list", "the keys here are"},
		{"mapping for a value", "resources: {pids: {}}\n", "t.yaml:5:19: resources.pids must be a single value, not a mapping", ""},
		{"text for an entry", "process:\n  capabilities: [NET_ADMIN]\n", "t.yaml:6:18: process.capabilities[NET_ADMIN] must be a mapping, not a single value", "the keys here are name, why"},
		{"text for a list", "process:\n  capabilities: NET_ADMIN\n", "t.yaml:6:17: process.capabilities must be a list, not a single value", "- "},
		{"no value", "process:\n  capabilities:\n", "t.yaml:6:16: process.capabilities has no value", "[] for an empty list"},
		{"null", "resources: null\n", "t.yaml:5:12: resources has no value", "remove the key"},
		{"empty text", "rootfs: {why: \"\"}\n", "t.yaml:5:15: rootfs.why is empty", ""},
		{"anchor", "resources: &a {pids: 1}\n", "t.yaml:5:12: anchors and aliases are not allowed", "extends"},
		{"merge key", "resources:\n  <<: {pids: 1}\n", "t.yaml:6:3: merge keys are not allowed", "extends"},
		{"tag", "resources: {pids: !!int 5}\n", `t.yaml:5:19: the tag "!!int" is not allowed`, "remove the tag"},
		{"second document", "---\nx: 1\n", "a second document in one file", "a file of its own"},
		{"depth", "rootfs: " + strings.Repeat("[", 40) + strings.Repeat("]", 40) + "\n", "must be a mapping, not a list", ""},
		{"not YAML", "resources: {pids: 1\n", "this is not YAML", ""},
		{"tab after a value", "extends: web\n\tresources: {}\n", "t.yaml:6:2: this is not YAML", "indent with spaces"},
		{"tab", "resources:\n\tpids: 1\n", "t.yaml:6:2: this is not YAML", "indent with spaces"},
		{"control character", "rootfs: {why: \"a\x1b[31m\"}\n", "t.yaml:5:17: byte 0x1b is not text", "UTF-8"},
		{"escaped control character", `rootfs: {why: "a\e[31m"}` + "\n", "rootfs.why holds the invisible character U+001B", "remove"},
		{"escaped control character in a key", "paths: {masked: [\"/a\\e[31m\"]}\n", `t.yaml:5:18: paths.masked[/a\x1b[31m] holds the invisible character U+001B`, "remove"},
		{"hidden direction", "rootfs: {why: \"a\u202eb\"}\n", "rootfs.why holds the invisible character U+202E", "remove"},
		{"not UTF-8", "rootfs: {why: \"a\xff\"}\n", "t.yaml:5:17: byte 0xff is not text", "UTF-8"},
		{"unknown capability", "process:\n  capabilities:\n    - name: CAP_NET_ADMIN\n      why: x\n", `t.yaml:7:7: process.capabilities[CAP_NET_ADMIN]: unknown capability "CAP_NET_ADMIN", did you mean "NET_ADMIN"?`, "without CAP_"},
		{"unknown group", "seccomp: {allow: [{name: \"@file\", why: x}]}\n", `unknown system call or group "@file", did you mean "@files"?`, "@files"},
		{"unknown call", "seccomp: {allow: [{name: opn, why: x}]}\n", `did you mean "open"?`, ""},
		{"call that cannot be filtered", "seccomp: {allow: [{name: clone3, why: x}]}\n", `t.yaml:5:19: seccomp.allow[clone3]: no profile can allow it: its flags could make new namespaces`, "@base"},
		{"unknown family", "seccomp: {addressFamilies: [{name: INET6, why: x}]}\n", `unknown address family "INET6", did you mean "AF_INET6"?`, "AF_INET"},
		{"unknown rlimit", "process: {rlimits: [{name: RLIMIT_NOFILE, soft: 1, hard: 1}]}\n", `did you mean "nofile"?`, "write one of"},
		{"unknown weakening", "accept: [{name: secomp, why: x}]\n", `unknown weakening "secomp", did you mean "seccomp"?`, "user-namespace"},
		{"unknown list to replace", "replace: [seccomp.alow]\nseccomp: {allow: []}\n", `did you mean "seccomp.allow"?`, "write one of"},
		{"nothing to replace by", "replace: [seccomp.allow]\n", "t.yaml:5:11: replace[seccomp.allow]: this profile does not set seccomp.allow", "write the list"},
		{"nameless entry", "accept: [{why: x}]\n", "an entry has no name", "name"},
		{"negative", "resources: {pids: -1}\n", "t.yaml:5:19: resources.pids: -1 is not between 1 and 4194304", "range"},
		{"user id", "process: {runAsUser: 65536}\n", "65536 is not between 0 and 65535", "range"},
		{"too little memory", "resources: {memory: 1m}\n", "t.yaml:5:21: resources.memory: 1MiB is less than 6MiB", "6MiB"},
		{"too little processor", "resources: {cpus: 9m}\n", "resources.cpus: 0.009 is less than 0.01", "0.01"},
		{"relative path", "paths: {masked: [proc/kcore]}\n", "t.yaml:5:18: paths.masked[proc/kcore]: the path is not absolute", "from /"},
		{"unclean path", "paths: {readOnly: [/proc/../sys]}\n", "the path is not in its shortest form", "write /sys"},
		{"whole root", "mounts: {tmpfs: [{path: /}]}\n", "the path is the whole root filesystem", "rootfs"},
		{"over proc", "mounts: {tmpfs: [{path: /proc/sys}]}\n", "a tmpfs cannot lie over /proc", "/dev/shm"},
		{"no limit", "mounts: {tmpfs: [{path: /tmp, size: 0}]}\n", "mounts.tmpfs[/tmp].size: 0 is less than 4KiB", ""},
		{"no inodes", "mounts: {tmpfs: [{path: /tmp, inodes: 0}]}\n", "mounts.tmpfs[/tmp].inodes: 0 is not between 1", ""},
		{"format verbs in a path", "mounts: {tmpfs: [{path: /%s%d/}]}\n", "mounts.tmpfs[/%s%d/]: the path is not in its shortest form", ""},
		{"bad destination", "network: {egress: [{to: example.com, why: x}]}\n", `"example.com" is not a destination`, "CIDR"},
		{"near destination", "network: {egress: [{to: internets, why: x}]}\n", `did you mean "internet"?`, ""},
		{"host bits", "network: {egress: [{to: 10.1.2.3/8, why: x}]}\n", `"10.1.2.3/8" has bits set behind the prefix`, "write 10.0.0.0/8"},
		{"metadata service", "network: {egress: [{to: 169.254.169.254, why: x}]}\n", "169.254.169.254 is never reachable", "remove"},
		{"IPv6 metadata service", "network: {egress: [{to: \"fd00:ec2::254\", why: x}]}\n", "never reachable", "remove"},
		{"another", "network: {egress: [{to: \"fd20:ce::254\", why: x}]}\n", "never reachable", "remove"},
		{"mapped address", "network: {egress: [{to: \"::ffff:10.0.0.1\", why: x}]}\n", "an IPv4 address written as IPv6", "write 10.0.0.1"},
		{"zone", "network: {egress: [{to: \"fe80::1%eth0\", why: x}]}\n", "has a zone", ""},
		{"bad port", "network: {egress: [{to: internet, ports: [443], why: x}]}\n", "must be text, and this reads as int", "443/tcp"},
		{"port without protocol", "network: {egress: [{to: internet, ports: [\"443\"], why: x}]}\n", `"443" is not a port`, "443/tcp"},
		{"ports backwards", "network: {egress: [{to: internet, ports: [9-8/tcp], why: x}]}\n", `"9-8/tcp" is not a port`, "8000-8100/tcp"},
		{"no ports", "network: {egress: [{to: internet, ports: [], why: x}]}\n", "the list of ports is empty", "remove ports"},
		{"unknown key of the image", "image: {registry: [ghcr.io]}\n", "t.yaml:5:9: unknown key \"registry\" in image", "registries, requireDigest"},
		{"registry with a scheme", "image: {registries: [\"https://ghcr.io\"]}\n", "t.yaml:5:22: image.registries[https://ghcr.io]: a registry is named without a scheme", "write ghcr.io"},
		{"registry in upper case", "image: {registries: [ghcr.io/Acme]}\n", "a registry is written in lower case", "write ghcr.io/acme"},
		{"registry with a tag", "image: {registries: [\"ghcr.io/acme/app:1\"]}\n", "a registry has no tag", "leave"},
		{"registry with a digest", "image: {registries: [\"ghcr.io/acme/app@sha256:00\"]}\n", "a registry has no tag", "leave"},
		{"registry that is a pattern", "image: {registries: [\"*.example.com\"]}\n", "a registry is no pattern", "covers"},
		{"registry with a last slash", "image: {registries: [ghcr.io/]}\n", "not in its shortest form", "slash"},
		{"name without a registry", "image: {registries: [acme/app]}\n", "\"acme\" is not a registry: it has neither a dot nor a port", "host[:port][/path]"},
		{"another name of docker.io", "image: {registries: [index.docker.io/library]}\n", "the images of index.docker.io are named docker.io", "write docker.io/library"},
		{"registry with the port that is meant", "image: {registries: [\"ghcr.io:443/acme\"]}\n", "443 is the port that is meant without one", "write ghcr.io/acme"},
		{"registry with a bad port", "image: {registries: [\"ghcr.io:99999\"]}\n", "\"ghcr.io:99999\" is not a registry", "host"},
		{"registry with a bad path", "image: {registries: [ghcr.io/a//b]}\n", "\"a//b\" is not a path in a registry", "host"},
		{"registry that leaves its path", "image: {registries: [ghcr.io/a/../b]}\n", "is not a path in a registry", "host"},
		{"registry that is too long", "image: {registries: [ghcr.io/" + strings.Repeat("a", 255) + "]}\n", "longer than 255 bytes", "shorten"},
		{"mapping for a registry", "image: {registries: [{}]}\n", "t.yaml:5:22: image.registries[0] must be a single value, not a mapping", "one value"},
		{"list for a signature", "image: {signatures: [[]]}\n", "t.yaml:5:22: image.signatures[0] must be a mapping, not a list", "name, keys"},
		{"list for an identity", "image: {signatures: [{name: a, keyless: [[a]]}]}\n", "t.yaml:5:42: image.signatures[a keyless ].keyless[0] must be a mapping, not a list", "issuer"},
		{"signature of very many", "image: {signatures: [{name: a, keys: [/" + strings.Repeat("a", 5000) + "]}]}\n", "t.yaml:5:22: image.signatures[0] is longer than 4096 bytes", "split"},
		{"rule with very many ports", "network: {egress: [{to: internet, why: x, ports: [1/tcp" + strings.Repeat(", 1/tcp", 2000) + "]}]}\n", "t.yaml:5:20: network.egress[0] is longer than 4096 bytes", "split"},
		{"registry twice", "image: {registries: [ghcr.io, ghcr.io]}\n", "t.yaml:5:31: image.registries[ghcr.io] is listed twice", "keep one"},
		{"signature without a name", "image: {signatures: [{keys: [/k]}]}\n", "a signature has no name", "name"},
		{"signature with a bad name", "image: {signatures: [{name: r, keys: [/k]}, {name: My Key, keys: [/k]}]}\n", "\"My Key\" cannot be a name", "lower-case"},
		{"signature of nobody", "image: {signatures: [{name: r, keys: []}]}\n", "t.yaml:5:22: image.signatures[r]: nobody is named who could sign", "keys:"},
		{"relative key", "image: {signatures: [{name: r, keys: [keys/k.pub]}]}\n", "t.yaml:5:39: image.signatures[r].keys[keys/k.pub]: the path is not absolute", "write the path from /"},
		{"key that is a directory", "image: {signatures: [{name: r, keys: [/]}]}\n", "the path is a directory", "name a file"},
		{"keyless without a root", "image: {signatures: [{name: r, keyless: [{issuer: \"https://i.example\", subject: x}]}]}\n", "keyless needs a trustRoot", "trusted_root.json"},
		{"keyless without an issuer", "image: {signatures: [{name: r, trustRoot: /r, keyless: [{subject: x}]}]}\n", "an identity has no issuer", "issuer:"},
		{"keyless with a bad issuer", "image: {signatures: [{name: r, trustRoot: /r, keyless: [{issuer: \"http://i.example\", subject: x}]}]}\n", "\"http://i.example\" is not an issuer", "https://"},
		{"keyless for anyone", "image: {signatures: [{name: r, trustRoot: /r, keyless: [{issuer: \"https://i.example\"}]}]}\n", "no subject: anyone could sign", "subject:"},
		{"keyless with two subjects", "image: {signatures: [{name: r, trustRoot: /r, keyless: [{issuer: \"https://i.example\", subject: x, subjectRegExp: x}]}]}\n", "both a subject and a subjectRegExp", "keep one"},
		{"bad expression", "image: {signatures: [{name: r, trustRoot: /r, keyless: [{issuer: \"https://i.example\", subjectRegExp: \"x)|(y\"}]}]}\n", "error parsing regexp", "RE2"},
		{"expression that is no RE2", "image: {signatures: [{name: r, trustRoot: /r, keyless: [{issuer: \"https://i.example\", subjectRegExp: \"(?=x)y\"}]}]}\n", "t.yaml:5:102: image.signatures[r].keyless[0].subjectRegExp: error parsing regexp", "RE2"},
		{"long expression", "image: {signatures: [{name: r, trustRoot: /r, keyless: [{issuer: \"https://i.example\", subjectRegExp: \"x" + strings.Repeat("x", 1024) + "\"}]}]}\n", "longer than 1024 bytes", "shorten"},
		{"signature twice", "image: {signatures: [{name: r, keys: [/a, /b]}, {name: r, keys: [/b, /a]}]}\n", "is listed twice", "keep one"},
		{"unknown severity", "image: {vulnerabilities: {block: hihg}}\n", "t.yaml:5:34: image.vulnerabilities.block: \"hihg\" is not a severity, did you mean \"high\"?", "negligible, low, medium, high, critical"},
		{"no age", "image: {vulnerabilities: {maxAge: 0s}}\n", "image.vulnerabilities.maxAge: no report is as young as 0s", "24h"},
		{"age in days", "image: {vulnerabilities: {maxAge: 7d}}\n", "\"7d\" is not a time span", "10s"},
		{"unknown source", "image: {vulnerabilities: {sources: [attestations]}}\n", "unknown source of findings \"attestations\", did you mean \"attestation\"?", "attestation, report, scanner"},
		{"relative report", "image: {vulnerabilities: {report: r.json}}\n", "t.yaml:5:35: image.vulnerabilities.report: the path is not absolute", "from /"},
		{"relative VEX", "image: {vulnerabilities: {vex: [v.json]}}\n", "image.vulnerabilities.vex[v.json]: the path is not absolute", "from /"},
		{"extends nothing", "extends: []\n", "extends: the list is empty", "name a profile"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantError(t, decodeError(head+tt.body), tt.want, tt.hint)
		})
	}
}

func decodeError(document string) error {
	_, err := Decode("t.yaml", []byte(document))
	return err
}

// wantError checks the first line of an error and its hint.
func wantError(t *testing.T, err error, want, hint string) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted; want %q", want)
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	if !strings.Contains(first, want) {
		t.Errorf("got  %q\nwant %q", first, want)
	}
	if got := problem.HintOf(err); !strings.Contains(got, hint) {
		t.Errorf("hint %q does not hold %q", got, hint)
	}
}

func TestDecodeRefusesHeads(t *testing.T) {
	tests := []struct{ name, document, want, hint string }{
		{"empty", "", "t.yaml:1:1: the profile is empty", "apiVersion"},
		{"only a comment", "# nothing\n", "t.yaml:1:1: the profile is empty", "apiVersion"},
		{"text", "hello\n", "t.yaml:1:1: a profile must be a mapping, not a single value", "the keys here are"},
		{"no version", "kind: Profile\nmetadata: {name: t}\n", "t.yaml:1:1: the profile does not say its apiVersion", "add the line apiVersion: safe-run.dev/v1"},
		{"other version", "apiVersion: v2\nkind: Profile\nmetadata: {name: t}\n", `t.yaml:1:13: apiVersion "v2" is not known`, "safe-run.dev/v1"},
		{"other kind", "apiVersion: safe-run.dev/v1\nkind: Pod\nmetadata: {name: t}\n", `t.yaml:2:7: kind "Pod" is not known`, "Profile"},
		{"no name", "apiVersion: safe-run.dev/v1\nkind: Profile\n", "t.yaml:1:1: the profile has no metadata.name", "metadata"},
		{"bad name", "apiVersion: safe-run.dev/v1\nkind: Profile\nmetadata: {name: My App}\n", `t.yaml:3:18: metadata.name: "My App" cannot be a name`, "lower-case"},
		{"large", strings.Repeat("#", MaxSize+1), "t.yaml:1:1: the profile is larger than 256 KiB", "extends"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantError(t, decodeError(tt.document), tt.want, tt.hint) })
	}
}

func TestDecodeReportsSeveralMistakes(t *testing.T) {
	err := decodeError(head + "resources: {memmory: 1, pids: x}\nnetwork: {mod: none}\n")
	var all Errors
	if !errors.As(err, &all) || len(all) != 3 {
		t.Fatalf("got %v", err)
	}
	lines := strings.Split(err.Error(), "\n")
	for i, prefix := range []string{"t.yaml:5:13: ", "t.yaml:5:31: ", "t.yaml:6:11: "} {
		if !strings.HasPrefix(lines[i], prefix) {
			t.Errorf("line %d is %q, want %s", i, lines[i], prefix)
		}
	}
	aliased := decodeError(head + "rootfs: {why: &a x}\nnetwork: {why: *a}\n")
	if aliased == nil || !strings.Contains(aliased.Error(), "\nt.yaml:6:16: anchors and aliases are not allowed") {
		t.Errorf("an alias gives %v", aliased)
	}
	many := decodeError(head + strings.Repeat("x: 1\n", 500))
	if errors.As(many, &all); len(all) > mostErrors {
		t.Errorf("%d mistakes are reported", len(all))
	}
}

func TestDecodeReadsJSON(t *testing.T) {
	p, err := Decode("t.json", []byte(`{"apiVersion":"safe-run.dev/v1","kind":"Profile","metadata":{"name":"t"},
		"extends":["default"],"resources":{"memory":"1GiB","cpus":0.5,"pids":64},"process":{"capabilities":[]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if *p.Resources.Memory != 1<<30 || *p.Resources.CPUs != 500 || *p.Resources.Pids != 64 || p.Process.Capabilities == nil {
		t.Errorf("read as %+v", p)
	}
}

func TestDecodeFillsOrigins(t *testing.T) {
	p, err := Decode("t.yaml", []byte(head+`
extends: web
process:
  capabilities:
    - name: NET_ADMIN
      why: routes
  root:
    allow: true
    why: legacy
mounts:
  tmpfs:
    - {path: /tmp, size: 1m}
network:
  egress:
    - to: internet
      ports: [443/tcp, 80/tcp]
      why: updates
paths: {masked: [/proc/x]}
`))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Extends) != 1 || p.Extends[0] != "web" {
		t.Errorf("extends %q", p.Extends)
	}
	want := map[string]Origin{
		"extends[web]":                                {"t.yaml", 6, 10, ""},
		"process.capabilities[NET_ADMIN]":             {"t.yaml", 9, 7, "routes"},
		"process.root.allow":                          {"t.yaml", 12, 12, "legacy"},
		"mounts.tmpfs[/tmp].size":                     {"t.yaml", 16, 26, ""},
		"network.egress[internet 443/tcp,80/tcp]":     {"t.yaml", 19, 7, "updates"},
		"network.egress[internet 443/tcp,80/tcp].to":  {"t.yaml", 19, 11, "updates"},
		"paths.masked[/proc/x]":                       {"t.yaml", 22, 18, ""},
		"network.egress[internet 443/tcp,80/tcp].why": {"t.yaml", 21, 12, "updates"},
	}
	for path, origin := range want {
		if got := p.Origins[path]; got != origin {
			t.Errorf("%s: %+v, want %+v", path, got, origin)
		}
	}
	if got := p.Origin("mounts.tmpfs[/tmp].mode"); got.Line != 16 {
		t.Errorf("what is not set has the origin of what is around it: %+v", got)
	}
	if got := p.Origin("resources.memory"); got != (Origin{}) {
		t.Errorf("what nobody wrote has an origin: %+v", got)
	}
}

// Documents of the largest size that are hard on a parser end soon, with an
// error that has a place.
func TestDecodeIsBounded(t *testing.T) {
	for _, unit := range []string{"[", "{a: ", "- ", "? ", "#\n", "a:\n", "'", "\"\\x41", "- a\n", "!", "a: |\n", "x: 1\n", "[],", "\t", " ", "---\n", "&a *a "} {
		start := worked(t)
		err := decodeError(strings.Repeat(unit, MaxSize/len(unit)))
		if err == nil || !strings.HasPrefix(err.Error(), "t.yaml:") {
			t.Errorf("%q repeated: %v", unit, err)
		}
		if took := worked(t) - start; took > 5*time.Second {
			t.Errorf("%q repeated takes %s", unit, took)
		} else {
			t.Logf("%q repeated takes %s", unit, took)
		}
	}
}

// worked is the processor time that this process has had: others' work on a busy
// machine is not in it.
func worked(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// Nor do good ones take longer for what is repeated within one entry.
func TestEntriesAreBounded(t *testing.T) {
	for name, unit := range map[string][2]string{
		"ports":      {"network: {egress: [{to: internet, why: x, ports: [1/tcp", ",1/tcp"},
		"keys":       {"image: {signatures: [{name: a, keys: [/k", ",/k"},
		"identities": {"image: {signatures: [{name: a, keyless: [{}", ",{}"},
	} {
		start := worked(t)
		body := head + unit[0] + strings.Repeat(unit[1], (MaxSize-200)/len(unit[1])) + "]}]}\n"
		if err := decodeError(body); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if took := worked(t) - start; took > 5*time.Second {
			t.Errorf("%s: takes %s", name, took)
		}
	}
}

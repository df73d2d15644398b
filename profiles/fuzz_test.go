package profiles

import (
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/problem"
)

func FuzzDecode(f *testing.F) {
	f.Add([]byte(head + "resources: {memory: 1GiB, cpus: 0.5, pids: 7}\n"))
	f.Add([]byte(head + "extends: [web, db]\nreplace: [paths.masked]\npaths: {masked: []}\n"))
	f.Add([]byte(head + "mounts: {tmpfs: [{path: /tmp, mode: 01777, exec: true, why: jit}]}\n"))
	f.Add([]byte(head + "network:\n  egress:\n  - {to: 10.0.0.0/8, ports: [1-2/udp], why: \"a\\tb\"}\n"))
	f.Add([]byte(head + "process: {stopSignal: 15, stopTimeout: 1h, rlimits: [{name: core, soft: 0, hard: 0}]}\n"))
	f.Add([]byte(head + imageBody))
	f.Add([]byte(head + healthBody))
	f.Add([]byte(head + "health: {test: \"[\\\"a\\\"]\", disabled: false}\n"))
	f.Add([]byte(head + "image: {registries: ['[::1]:5000/a', ghcr.io], signatures: [{name: a, keys: ['/x, y', /z]}, {name: a, keys: [/z]}]}\n"))
	f.Add([]byte(head + "image: {vulnerabilities: {block: low, report: none, vex: [], sources: []}}\n"))
	f.Add([]byte(`{"apiVersion":"safe-run.dev/v1","kind":"Profile","metadata":{"name":"t"}}`))
	f.Add([]byte("a: &a [*a, <<: *a]\n---\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode("f", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") || problem.HintOf(err) == "" {
				t.Fatalf("an error without a place or a hint: %v", err)
			}
			return
		}
		out, err := Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode("g", out)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, out)
		}
		if changes := Diff(p, back); len(changes) > 0 || len(Looser(back, p)) > 0 {
			t.Fatalf("changed by writing: %+v\n%s", changes, out)
		}
	})
}

// FuzzScalars feeds one text to every parser of single values.
func FuzzScalars(f *testing.F) {
	for _, seed := range []string{"512MiB", "1.5g", "500m", "0.25", "1m30s", "01777", "SIGRTMIN+3", "CAP_CHOWN", "bridge", "8000-8100/tcp", "10.0.0.0/8", "internet", "high", "ghcr.io/acme", "[::1]:5000/a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if v, err := ParseBytes(text); err == nil && v < 0 {
			t.Fatalf("%q is %d bytes", text, v)
		}
		if v, err := ParseMilliCPU(text); err == nil && v < 0 {
			t.Fatalf("%q is %d thousandths", text, v)
		}
		if v, err := ParseDuration(text); err == nil && v < 0 {
			t.Fatalf("%q is %d ns", text, v)
		}
		if v, err := ParseMode(text); err == nil && v > 0o7777 {
			t.Fatalf("%q is mode %o", text, uint32(v))
		}
		if v, err := ParseSignal(text); err == nil && (v.Number() < 1 || v.Number() > signalRTMax) {
			t.Fatalf("%q is signal %q", text, v)
		}
		if r, err := parsePorts(text); err == nil && (r.First == 0 || r.First > r.Last || r.String() == "") {
			t.Fatalf("%q is ports %v", text, r)
		}
		if v, err := ParseSeverity(text); err == nil && string(v) != text {
			t.Fatalf("%q is severity %q", text, v)
		}
		c := checker{}
		if c.registry("r", text); len(c.errs) == 0 && (strings.ContainsAny(text, " @*?\\\n") || strings.Contains(text, "..") || strings.Trim(text, "/") != text) {
			t.Fatalf("%q is a registry", text)
		}
		if p, err := parsePrefix(text); err == nil && p != p.Masked() {
			t.Fatalf("%q is prefix %s", text, p)
		}
	})
}

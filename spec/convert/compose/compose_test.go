package compose

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/convert"
	"github.com/safe-run/safe-run/spec/problem"
)

func noFiles(string) ([]byte, error) { return nil, errors.New("no such file") }

func TestConvert(t *testing.T) {
	all, err := Convert("c.yaml", []byte(`
x-common: &common
  cap_add: [NET_ADMIN]
services:
  web:
    <<: *common
    image: nginx:1
    privileged: true
    ports: ["8080:80", {target: 81, published: "8081", host_ip: 127.0.0.1}]
    volumes: [data:/data, ./html:/html:ro, {type: bind, source: /var/run/docker.sock, target: /s}, {type: tmpfs, target: /t, tmpfs: {size: 1m}}]
    environment: {A: b, C: "1$$"}
    healthcheck: {test: [CMD, /bin/check, "a b"], interval: 5s, retries: 2}
    deploy: {resources: {limits: {memory: 64m, cpus: "0.5"}}}
    ulimits: {nofile: {soft: 10, hard: 20}, core: 0}
    stop_grace_period: 1m30s
    command: sh -c "echo 'a b'"
  worker: {image: w}
`), noFiles)
	if err != nil || len(all) != 2 {
		t.Fatal(err, len(all))
	}
	web := all[0]
	want := `--volume=data:/data --volume=./html:/html:ro --publish=8080:80 --publish=127.0.0.1:8081:81 --env=A=b --env=C=1$ -- nginx:1 sh -c echo 'a b'`
	if got := strings.Join(web.Run, " "); got != want {
		t.Errorf("run %s\nwant %s", got, want)
	}
	p := web.Profile
	if *p.Resources.Memory != 64<<20 || *p.Resources.CPUs != 500 || *p.Process.StopTimeout != 90e9 || !slices.Equal(p.Health.Test.Words(), []string{"/bin/check", "a b"}) {
		t.Errorf("%+v", p)
	}
	for _, place := range []string{"tightened privileged c.yaml:8:17", "kept cap_add c.yaml:3:13", "tightened volumes c.yaml:10:44"} {
		if !slices.ContainsFunc(web.Findings, func(f convert.Finding) bool { return place == string(f.Kind)+" "+f.Setting+" "+f.Place }) {
			t.Errorf("no %q in %+v", place, web.Findings)
		}
	}
}

// bomb has aliases of aliases.
func bomb() string {
	var b strings.Builder
	b.WriteString("x-0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		prev := "*a" + string(rune('a'+i-2))
		if i == 1 {
			prev = "*a0"
		}
		b.WriteString("x-" + string(rune('a'+i-1)) + ": &a" + string(rune('a'+i-1)) + " [" + strings.Repeat(prev+", ", 9) + prev + "]\n")
	}
	return b.String() + "services: {}\n"
}

func TestBadFiles(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "c.yaml:1:1: there is no document",
		"services: {}":                 "c.yaml:1:1: there are no services",
		"services: [a]":                "c.yaml:1:11: a list where a map is meant",
		"services:\n  a:\n    imag: x": "c.yaml:3:5: unknown field \"imag\"",
		"services:\n  a: {image: x, cap_add: {a: b}}":              "c.yaml:2:26: a map where a list is meant",
		"services:\n  a: {image: [x]}":                             "c.yaml:2:14: a list where a single value",
		"services:\n  a: {image: x, mem_limit: lots}":              "c.yaml:2:28: mem_limit: ",
		"services:\n  a: {image: {{ .Values.x }}}":                 "c.yaml:2:14: this is a template",
		"a: b\n---\nservices: {}":                                  "c.yaml:3:1: a second document",
		"services:\n\ta: b":                                        "this is not YAML",
		"services: {a: {image: x}, a: {image: y}}":                 "there is twice",
		"services: {a: {image: x, ports: [{published: 1}]}}":       "no target",
		"services: {a: {image: x, read_only: perhaps}}":            "neither true nor false",
		"services: {a: {image: x, healthcheck: {test: [WAT, x]}}}": "no kind",
		"services: {a: {image: x, command: \"a 'b\"}}":             "not closed",
		"\x00":                                  "byte 0x00 is not text",
		bomb():                                  "with its aliases written out",
		"? [a]\n: b":                            "a key must be a name",
		"services: {a: {image: x, wat: y}}":     "unknown field \"wat\"",
		"apiVersion: example.com/v1\nkind: Wat": "c.yaml:1:1: this is a manifest of Kubernetes",
		strings.Repeat("a", 5<<20):              "larger than",
		"x-a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200): "nested",
	} {
		_, err := Convert("c.yaml", []byte(text), noFiles)
		shown := text[:min(len(text), 60)]
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "is there twice", "there is twice"), want) {
			t.Errorf("%q: %v, want %q", shown, err, want)
		} else if problem.HintOf(err) == "" || !strings.HasPrefix(err.Error(), "c.yaml") {
			t.Errorf("%q: no hint or place: %v", shown, err)
		}
	}
}

func FuzzConvert(f *testing.F) {
	for _, seed := range []string{
		"services: {a: {image: x, ports: [80], volumes: [/a], tmpfs: /b, environment: [A=b]}}", "services: {a: {build: .}}", "services: {a: null}",
		"services: {a: {image: x, ulimits: {core: -1}, deploy: {resources: {limits: {pids: 5}}}}}", "x: &a [*a]", "a: &a {<<: *a}", "services: {a: {image: x, shm_size: 0, tmpfs: [/dev/shm]}}",
		"services: {a: {image: x, healthcheck: {disable: true, interval: 0s}, stop_grace_period: 1h, oom_score_adj: -5, user: \"0:0\"}}", bomb(),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := Convert("c.yaml", data, noFiles)
		if err != nil {
			if !strings.Contains(err.Error(), "c.yaml") {
				t.Errorf("no place: %v", err)
			}
			return
		}
		for _, r := range all {
			text, err := profiles.Encode(r.Profile)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := profiles.Decode("x.yaml", text); err != nil {
				t.Fatalf("%q became no profile: %v\n%s", data, err, text)
			}
		}
	})
}

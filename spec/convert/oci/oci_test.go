package oci

import (
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

func TestBadSpecs(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "c.json",
		"{":                       "c.json",
		"{\n  \"process\": []\n}": "c.json:2:",
		"{\"wat\": 1}":            "c.json:1:2: unknown field \"wat\"",
		"{}":                      "has no process",
		"{\"process\":{}}\n{}":    "c.json:2:1: there is more",
		"apiVersion: v1":          "c.json:1:1: this is not JSON",
		"{\"mounts\":[{\"destination\":\"x\",\"type\":\"tmpfs\"}],\"process\":{}}": "not a place",
	} {
		_, err := Convert("c.json", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || problem.HintOf(err) == "" {
			t.Errorf("%q: %v (hint %q), want %q", text, err, problem.HintOf(err), want)
		}
	}
	if _, err := Convert("c.json", make([]byte, Most+1)); err == nil {
		t.Error("a huge file is read")
	}
}

func FuzzConvert(f *testing.F) {
	for _, seed := range []string{
		`{"process":{"user":{"uid":1},"args":["a"]}}`, `{"process":{"rlimits":[{"type":"RLIMIT_CORE","soft":18446744073709551615,"hard":18446744073709551615}]},"linux":{"resources":{"memory":{"limit":1,"swap":9}}}}`,
		`{"process":{},"mounts":[{"destination":"/a","type":"tmpfs","options":["size=1k","mode=0"]},{"destination":"/b","source":"/etc","options":["bind"]}]}`,
		`{"process":{"capabilities":{"permitted":["CAP_CHOWN","X"]}},"linux":{"maskedPaths":["/a","b","/"],"sysctl":{"net.ipv4.ip_unprivileged_port_start":"x"}}}`,
		`{"process":{},"linux":{"resources":{"cpu":{"quota":-1,"period":0},"pids":{"limit":-1}},"seccomp":{"defaultAction":"SCMP_ACT_ALLOW"}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Convert("c.json", data)
		if err != nil {
			return
		}
		text, err := profiles.Encode(r.Profile)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := profiles.Decode("x.yaml", text); err != nil {
			t.Fatalf("%q became no profile: %v\n%s", data, err, text)
		}
	})
}

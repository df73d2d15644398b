package cli

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
)

// TestChangesExist: explain names no flag and no key that is not there.
func TestChangesExist(t *testing.T) {
	type object struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	has := func(key string) bool {
		raw := json.RawMessage(profiles.Schema())
		for part := range strings.SplitSeq(key, ".") {
			var o object
			if json.Unmarshal(raw, &o) != nil || o.Properties[part] == nil {
				return false
			}
			raw = o.Properties[part]
		}
		return true
	}
	if has("resources.none") || !has("resources.memory") {
		t.Fatal("the schema is not read as it is written")
	}
	for setting, c := range changes {
		if c.Flag != "" && !slices.ContainsFunc(runFlags, func(f runFlag) bool { return "--"+f.name == c.Flag }) {
			t.Errorf("%s: there is no flag %s", setting, c.Flag)
		}
		if c.Key != "" && !has(c.Key) {
			t.Errorf("%s: profiles have no key %s", setting, c.Key)
		}
	}
}

func TestChangeOf(t *testing.T) {
	for setting, want := range map[string]string{
		"memory":                "--memory, resources.memory",
		"tmpfs /tmp":            "--tmpfs, mounts.tmpfs",
		"rlimit nofile":         "--ulimit, process.rlimits",
		"address families":      "seccomp.addressFamilies",
		"ids":                   "",
		"image digest":          "image.requireDigest",
		"image signature a":     "image.signatures",
		"image vulnerabilities": "image.vulnerabilities.block",
		"tmpfs /a b c":          "--tmpfs, mounts.tmpfs",
		" ":                     "--accept, accept",
		"user-namespace":        "--accept, accept",
	} {
		if got := changeOf(setting).String(); got != want {
			t.Errorf("%s: %q, want %q", setting, got, want)
		}
	}
}

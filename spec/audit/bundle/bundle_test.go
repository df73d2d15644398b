package bundle

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec/audit"
)

// runcs is what runc spec writes.
func runcs(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/runc.json")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func rules(t *testing.T, data []byte) (violated []string, at map[string]audit.Place) {
	t.Helper()
	facts, _, err := Read("config.json", data)
	if err != nil {
		t.Fatal(err)
	}
	at = map[string]audit.Place{}
	for _, f := range audit.Judge(facts) {
		if f.Verdict == audit.Violated {
			violated = append(violated, f.Rule)
			at[f.Rule] = f.Where
		}
	}
	return violated, at
}

func TestRunc(t *testing.T) {
	got, at := rules(t, runcs(t))
	want := []string{"seccomp", "capabilities", "non-root", "user-namespace", "other-namespaces", "memory", "cpu", "pids", "lsm"}
	if !slices.Equal(got, want) {
		t.Errorf("violated: %q, want %q", got, want)
	}
	lines := strings.Split(string(runcs(t)), "\n")
	if where := at["non-root"]; where.Path != "process.user.uid" || !strings.Contains(lines[where.Line-1], `"uid"`) {
		t.Errorf("root is said at %+v", where)
	}
}

func TestChanges(t *testing.T) {
	for rule, change := range map[string]func(*specs.Spec){
		"masked-paths":      func(s *specs.Spec) { s.Linux.MaskedPaths = nil },
		"pid-namespace":     func(s *specs.Spec) { s.Linux.Namespaces[0].Path = "/proc/1/ns/pid" },
		"network-namespace": func(s *specs.Spec) { s.Linux.Namespaces = s.Linux.Namespaces[:1] },
		"read-only-root":    func(s *specs.Spec) { s.Root.Readonly = false },
		"no-new-privileges": func(s *specs.Spec) { s.Process.NoNewPrivileges = false },
		"runtime-socket": func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/s", Source: "/run/docker.sock", Options: []string{"rbind"}})
		},
		"devices":     func(s *specs.Spec) { s.Linux.Resources.Devices[0].Allow = true },
		"sysctls":     func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"kernel.core_pattern": "|/x"} },
		"propagation": func(s *specs.Spec) { s.Linux.RootfsPropagation = "rshared" },
		"tmpfs":       func(s *specs.Spec) { s.Mounts = append(s.Mounts, specs.Mount{Destination: "/t", Type: "tmpfs"}) },
		"rlimits":     func(s *specs.Spec) { s.Process.Rlimits = nil },
	} {
		var s specs.Spec
		if err := json.Unmarshal(runcs(t), &s); err != nil {
			t.Fatal(err)
		}
		change(&s)
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := rules(t, data); !slices.Contains(got, rule) {
			t.Errorf("%s is not violated: %q", rule, got)
		}
	}
}

func TestBad(t *testing.T) {
	for name, in := range map[string]string{
		"empty": "", "array": "[]", "null": "null", "no process": `{"ociVersion":"1.0.0","linux":{}}`, "a pod": `{"kind":"Pod"}`, "types": `{"ociVersion":1}`, "twice": `{"process":{},"process":{}}`,
	} {
		if _, _, err := Read("config.json", []byte(in)); err == nil || !strings.Contains(err.Error(), "config.json") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, warnings, err := Read("config.json", []byte("{\"ociVersion\":\"1.0.0\",\"process\":{\"user\":{},\"cwd\":\"/\",\n\"noNewPrivilege\":true},\"linux\":{}}"))
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "config.json:2:1: ") {
		t.Errorf("a misspelt member: %q, %v", warnings, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(runcs(f))
	f.Add([]byte(`{"ociVersion":"1","process":{"user":{}},"linux":{"namespaces":[{"type":"pid","path":"x"}],"resources":{"devices":[{"allow":true}]}},"mounts":[{"type":"bind"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if facts, _, err := Read("config.json", data); err == nil {
			audit.Judge(facts)
		}
	})
}

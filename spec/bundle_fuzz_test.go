package spec_test

import (
	"encoding/json"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
)

// FuzzMeetBundle feeds MeetBundle what a config.json can hold: it refuses in one
// line, or what comes out is confined.
func FuzzMeetBundle(f *testing.F) {
	base := bundleInput(f)
	seed, err := json.Marshal(base.OCI)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed, true)
	f.Add([]byte(`{"process":{"args":["a"]},"linux":{"namespaces":[{"type":"x"}],"devices":[{"path":"/dev/null"}]}}`), true)
	f.Add([]byte(`{"process":{},"mounts":[{"options":["size=99999999999999999999g"],"type":"tmpfs","destination":"/tmp"}],"linux":{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_NOTIFY","args":[{"index":9,"op":"x"}]}]}}}`), true)
	f.Fuzz(func(t *testing.T, data []byte, strip bool) {
		in := base
		in.Strip, in.OCI = strip, &specs.Spec{}
		if json.Unmarshal(data, in.OCI) != nil {
			return
		}
		met, err := spec.MeetBundle(in)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("not one line: %q", err)
			}
			return
		}
		p := met.OCI.Process
		if !p.NoNewPrivileges || len(p.Capabilities.Bounding) > 0 || p.User.UID == 0 || p.User.GID == 0 ||
			!met.OCI.Root.Readonly || met.OCI.Linux.Seccomp == nil || len(met.OCI.Linux.Devices) > len(data) {
			t.Errorf("not confined: %+v", p)
		}
		if _, err := met.MeetExec(&specs.Process{User: p.User}); err != nil {
			t.Errorf("the same process cannot join: %v", err)
		}
	})
}

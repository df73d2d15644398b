package spec_test

import (
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/profiles"
)

// TestRefusedByTheKernel: each refusal says what it is, and either what to do or
// lines that are a profile.
func TestRefusedByTheKernel(t *testing.T) {
	plan := compile(t, input(t, "default"))
	plan.OCI.Mounts = append(plan.OCI.Mounts, specs.Mount{Type: "bind", Destination: "/srv/data"})
	for _, c := range []struct{ errno, path, want string }{
		{"EROFS", "/var/lib/app/db", `    - {path: "/var/lib/app", size: 16MiB}`},
		{"EROFS", "/x", "  readOnly: false"},
		{"EROFS", "/etc/app/x", "  readOnly: false"},
		{"EROFS", "relative", "  readOnly: false"},
		{"EROFS", "/a\"b/c", "  readOnly: false"},
		{"EROFS", "/srv/data/x", "mount /srv/data without ro"},
		{"EROFS", "/proc/sys/kernel/x", "the kernel's"},
		{"EACCES", "/etc/shadow", "--user"},
		{"EPERM", "", "capabilities(7)"},
	} {
		d := plan.Refused("openat", c.errno, c.path)
		lines := strings.Join(d.Allow, "\n")
		if !strings.Contains(lines+d.Instead, c.want) || d.Meaning == "" || (lines == "") == (d.Instead == "") {
			t.Errorf("%s %q: %+v", c.errno, c.path, d)
		}
		if strings.Contains(lines, "tmpfs") != strings.Contains(d.Meaning, "(-v NAME:/var/lib/app)") {
			t.Errorf("%s: of a volume it says %q", c.path, d.Meaning)
		}
		if lines == "" {
			continue
		}
		text := "apiVersion: safe-run.dev/v1\nkind: Profile\nmetadata: {name: p}\n" + strings.ReplaceAll(lines, "why: ...", "why: x") + "\n"
		if _, err := profiles.Decode("p.yaml", []byte(text)); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/audit"
)

// texts finds documents by name, then the built-in ones.
type texts map[string]string

func (x texts) Find(name string) (string, []byte, error) {
	if text, ok := x[name]; ok {
		return name, []byte(text), nil
	}
	return builtin.Finder{}.Find(name)
}

func findings(t *testing.T, name string, x texts) []audit.Finding {
	t.Helper()
	p, err := profiles.Resolve(name, x)
	if err != nil {
		t.Fatal(err)
	}
	return audit.Judge(Facts(p))
}

// TestBuiltin: no built-in profile violates a control.
func TestBuiltin(t *testing.T) {
	for _, name := range []string{"default", "web", "db", "worker", "batch"} {
		for _, f := range findings(t, name, nil) {
			if f.Verdict == audit.Violated {
				t.Errorf("%s violates %s: %s at %s", name, f.Rule, f.What, f.Where)
			}
		}
	}
}

func TestLoosened(t *testing.T) {
	const head = "apiVersion: safe-run.dev/v1\nkind: Profile\nmetadata: {name: mine}\nextends: default\n"
	for rule, text := range map[string]string{
		"non-root":       "process: {root: {allow: true, why: x}}\n",
		"read-only-root": "rootfs: {readOnly: false, why: x}\n",
		"capabilities":   "process: {capabilities: [{name: NET_RAW, why: x}]}\n",
		"tmpfs":          "mounts: {tmpfs: [{path: /tmp, exec: true, why: x}]}\n",
		"host-mounts":    "mounts: {hostPaths: [{path: /etc, why: x}]}\n",
		"runtime-socket": "mounts: {hostPaths: [{path: /run/docker.sock, why: x}]}\n",
	} {
		all := findings(t, "mine", texts{"mine": head + text})
		i := slices.IndexFunc(all, func(f audit.Finding) bool { return f.Rule == rule && f.Verdict == audit.Violated })
		if i < 0 {
			t.Errorf("%s is not violated by %s", rule, text)
		} else if all[i].Where.Source != "mine" || all[i].Where.Line != 5 {
			t.Errorf("%s is at %v, want line 5 of mine", rule, all[i].Where)
		}
	}
	for _, f := range findings(t, "mine", texts{"mine": head + "accept: [{name: seccomp, why: x}, {name: user-namespace, why: x}]\n"}) {
		if (f.Rule == "seccomp" || f.Rule == "user-namespace") && (f.Verdict != audit.CannotTell || !strings.Contains(f.What, "accepts")) {
			t.Errorf("%s of a profile that accepts to go without: %s, %s", f.Rule, f.Verdict, f.What)
		}
	}
}

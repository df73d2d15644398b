package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/safe-run/safe-run/cmd/policies"
)

// TestRefusesRoot: by the policy in force, and without a file by what the program
// does then.
func TestRefusesRoot(t *testing.T) {
	const head = "apiVersion: safe-run.dev/v1\n"
	const oci, shim = "/usr/bin/safe-run-oci", "/usr/bin/containerd-shim-saferun-v2"
	anyone := head + "kind: Profile\nmetadata: {name: anyone}\nextends: default\nprocess: {root: {allow: true, why: x}}\naccept: [{name: user-namespace, why: x}]\n"
	numbered := head + "kind: Profile\nmetadata: {name: numbered}\nextends: default\naccept: [{name: user-namespace, why: x}]\n"
	for _, c := range []struct {
		name, program, file, config string
		want                        bool
	}{
		{"no file", shim, "", "", true},
		{"no file of safe-run-oci's", oci, "", "", false},
		{"what install writes for docker", oci, "oci.yaml", head + "kind: OCI\nprofile: default\nonConflict: strip\n", true},
		{"what it writes for containerd", shim, "shim.yaml", head + "kind: Shim\nprofile: default\n", true},
		{"nothing held", shim, "shim.yaml", head + "kind: Shim\nprofile: none\n", false},
		{"not to be read", shim, "shim.yaml", "x", true},
		{"no such profile", shim, "shim.yaml", head + "kind: Shim\nprofile: nosuch\n", true},
		{"root may be", shim, "shim.yaml", head + "kind: Shim\nprofile: anyone\nonConflict: strip\n", false},
		{"root is taken away", oci, "oci.yaml", head + "kind: OCI\nprofile: numbered\nonConflict: strip\n", false},
		{"root is refused", oci, "oci.yaml", head + "kind: OCI\nprofile: numbered\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{c.file: c.config, "profiles/anyone.yaml": anyone, "profiles/numbered.yaml": numbered} {
				if name == "" {
					continue
				}
				name = filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := refusesRoot(policies.Host{Etc: dir, Owner: uint32(os.Getuid())}, c.program); got != c.want {
				t.Errorf("%t", got)
			}
		})
	}
}

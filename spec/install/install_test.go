package install_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"github.com/safe-run/safe-run/spec/install"
	"github.com/safe-run/safe-run/spec/problem"
)

var update = flag.Bool("update", false, "write golden files")

// oldMain is a configuration of containerd 1.x, as kubeadm's users have it.
const oldMain = `version = 2
[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true`

var cases = []struct {
	name string
	in   install.Input
}{
	{"containerd-3", install.Input{Engine: "containerd", ConfigVersion: 3, Usual: []string{"batch", "default", "web"}}},
	{"containerd-3-main", install.Input{Engine: "containerd", Existing: []byte("# mine\nversion = 3\n\n[debug]\nlevel = \"info\"\n"), Profiles: []string{"web"}}},
	{"containerd-4-imports", install.Input{Engine: "containerd", Existing: []byte("version = 4\nimports = ['conf.d/*.toml']\n"), Profiles: []string{"acme-1"}}},
	{"containerd-3-on-2", install.Input{Engine: "containerd", Existing: []byte(oldMain), ConfigVersion: 3, Profiles: []string{"web"}}},
	{"containerd-2", install.Input{Engine: "containerd", ConfigVersion: 2}},
	{"containerd-2-main", install.Input{Engine: "containerd", Existing: []byte(oldMain)}},
	{"containerd-2-imports", install.Input{Engine: "containerd", Existing: []byte("version = 2\nimports = ['/etc/containerd/conf.d/*.toml']\n")}},
	{"docker", install.Input{Engine: "docker"}},
	{"docker-merged", install.Input{Engine: "docker", Existing: []byte("{\n  \"debug\": true,\n  \"runtimes\": {\n    \"kata\": {\n      \"path\": \"/k\"\n    }\n  },\n  \"iptables\": false\n}\n")}},
	{"podman", install.Input{Engine: "podman"}},
	{"crio", install.Input{Engine: "crio"}},
}

// TestGolden shows what is written for each engine.
func TestGolden(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.in.Bin = "/usr/local/bin"
			plan, err := install.Make(c.in)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			for _, f := range plan.Files {
				fmt.Fprintf(&out, "-- %s merged=%t policy=%t --\n%s", f.Path, f.Merged, f.Policy, f.Data)
				if ext := filepath.Ext(f.Path); ext == ".toml" || ext == ".conf" {
					var tree map[string]any
					if _, err := toml.Decode(string(f.Data), &tree); err != nil {
						t.Errorf("%s: %v", f.Path, err)
					}
				}
			}
			fmt.Fprintf(&out, "-- program --\n%s\n-- next --\n%s\n", plan.Program, strings.Join(plan.Next, "\n"))
			golden(t, filepath.Join("testdata", c.name+".golden"), out.Bytes())
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s (%v; -update writes it): got\n%s", name, err, got)
	}
}

// TestDeploy: what is under deploy, which the tests with a real containerd use, is
// what is installed.
func TestDeploy(t *testing.T) {
	plan, err := install.Make(install.Input{
		Engine: "containerd", Bin: "/usr/local/bin", Profiles: []string{"web"}, Existing: []byte("version = 3\nimports = ['/etc/containerd/conf.d/*']\n"),
	})
	if err != nil || len(plan.Files) != 2 {
		t.Fatalf("%+v, %v", plan, err)
	}
	for _, f := range plan.Files {
		golden(t, filepath.Join("../../deploy/containerd", filepath.Base(f.Path)), f.Data)
	}
}

// TestRefused: what cannot be installed is said with what to do.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name, want, hint string
		in               install.Input
	}{
		{"an engine that is none", `nothing is installed for "lxc"`, "containerd, docker, podman, crio", install.Input{Engine: "lxc"}},
		{"a path with a quote", "cannot be written", "--bin", install.Input{Engine: "podman", Bin: `/a"b`}},
		{"a relative path", "cannot be written", "--bin", install.Input{Engine: "podman", Bin: `bin`}},
		{"a path that climbs", "cannot be written", "--bin", install.Input{Engine: "podman", Bin: `/a/../b`}},
		{"profiles of docker", "are for containerd", "oci.yaml", install.Input{Engine: "docker", Profiles: []string{"web"}}},
		{"a profile's path", "part of a runtime's name", "/etc/safe-run/profiles", install.Input{Engine: "containerd", ConfigVersion: 3, Profiles: []string{"/a/b.yaml"}}},
		{"no version", "which version", "--config-version 3", install.Input{Engine: "containerd"}},
		{"an unknown version", "version 5", "2 or 3", install.Input{Engine: "containerd", ConfigVersion: 5}},
		{"version 1", "too old", "containerd config migrate", install.Input{Engine: "containerd", Existing: []byte("root = '/x'\n")}},
		{"version 2 on 3", "cannot be added", "leave", install.Input{Engine: "containerd", ConfigVersion: 2, Existing: []byte("version = 3\n")}},
		{"profiles with version 2", "one runtime for all", "annotation", install.Input{Engine: "containerd", ConfigVersion: 2, Profiles: []string{"web"}}},
		{"a broken main file", "line 2", "mend", install.Input{Engine: "containerd", Existing: []byte("version = 2\n[[[\n")}},
		{"imports of others", "does not import", "conf.d", install.Input{Engine: "containerd", Existing: []byte("version = 3\nimports = ['/x/*.toml']\n")}},
		{"a table that is closed", "cannot be added to", "by hand", install.Input{Engine: "containerd", Existing: []byte("version = 2\nplugins = {}\n")}},
		{"a table that is closed further in", "cannot be added to", "by hand", install.Input{
			Engine: "containerd", Existing: []byte("version = 2\n[plugins.'io.containerd.grpc.v1.cri']\ncontainerd = {runtimes = {x = {a = 1}}}\n"),
		}},
		{"a runtime that is there", "already", "BinaryName", install.Input{
			Engine: "containerd", Existing: []byte("version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.saferun]\n"),
		}},
		{"a broken daemon.json", "daemon.json: offset 12 (line 2): ", "mend", install.Input{Engine: "docker", Existing: []byte("{\"debug\":\n  maybe}")}},
		{"a daemon.json that ends early", "daemon.json: offset 7 (line 1): ", "mend", install.Input{Engine: "docker", Existing: []byte("{\"debug\"")}},
		{"a daemon.json that is a list", "no JSON object", "mend", install.Input{Engine: "docker", Existing: []byte("[]")}},
		{"runtimes that are a list", "runtimes is no object", "mend", install.Input{Engine: "docker", Existing: []byte(`{"runtimes": []}`)}},
		{"runtimes twice", "2 times", "keep one", install.Input{Engine: "docker", Existing: []byte(`{"runtimes": {}, "runtimes": {}}`)}},
		{"another runtime of that name", "it is another", "take it out", install.Input{Engine: "docker", Existing: []byte(`{"runtimes": {"saferun": {"path": "/x"}}}`)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.in.Bin == "" {
				c.in.Bin = "/usr/bin"
			}
			plan, err := install.Make(c.in)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(problem.HintOf(err), c.hint) {
				t.Errorf("%+v, %v (%s)", plan, err, problem.HintOf(err))
			}
		})
	}
}

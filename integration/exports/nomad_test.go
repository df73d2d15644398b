package exports

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/export/nomad"
)

// job is what is looked at of a job.
type job struct {
	Job []struct {
		Group []struct {
			Task []struct {
				User   string
				Driver string
				Env    []map[string]string
				Config []struct {
					Image      string
					Entrypoint []string
					Args       []string
					CapDrop    []string `json:"cap_drop"`
					ReadOnly   bool     `json:"readonly_rootfs"`
					Privileged bool
				}
			}
		}
	}
}

// TestNomad: a job has no block, no attribute and no type that Nomad's API has not, and
// its texts are those that were typed.
func TestNomad(t *testing.T) {
	read := program(t, "nomad", "what Nomad's API says of a job")
	for _, profile := range builtin.Names() {
		t.Run(profile, func(t *testing.T) {
			in := input(t, profile)
			in.Replicas = 2
			in.Env = []string{"A=b c$d", "B='\"\n", "C=$${x} %{if} \\x41", "D="}
			in.Command, in.Args = []string{"/bin/app"}, []string{"serve", "it's", "$HOME", "%%", "", "\t"}
			result, err := nomad.Export(in)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "shop.nomad.hcl")
			for _, f := range result.Files {
				if strings.HasSuffix(f.Path, ".hcl") {
					if err := os.WriteFile(path, f.Data, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			var got job
			if err := json.Unmarshal(output(t, read, path), &got); err != nil {
				t.Fatal(err)
			}
			task := got.Job[0].Group[0].Task[0]
			config := task.Config[0]
			want := map[string]string{"A": "b c$d", "B": "'\"\n", "C": "$${x} %{if} \\x41", "D": ""}
			if diff := cmp.Diff(want, task.Env[0]); diff != "" {
				t.Errorf("env: %s", diff)
			}
			if diff := cmp.Diff([][]string{in.Command, in.Args}, [][]string{config.Entrypoint, config.Args}); diff != "" {
				t.Errorf("the command: %s", diff)
			}
			if task.Driver != "docker" || task.User != "1000:1000" || !config.ReadOnly || config.Privileged || len(config.CapDrop) != 1 || !strings.HasPrefix(config.Image, "ghcr.io/acme/shop") {
				t.Errorf("%+v", task)
			}
			// The reader bites.
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, change := range [][2]string{{"kill_timeout", "kil_timeout"}, {"memory = ", "memory = \"much\" #"}, {"resources {", "resource {"}, {`kill_timeout = "`, `kill_timeout = "soon`}} {
				other := strings.Replace(string(data), change[0], change[1], 1)
				if other == string(data) {
					t.Errorf("there is no %s", change[0])
				}
				if err := os.WriteFile(path, []byte(other), 0o644); err != nil {
					t.Fatal(err)
				}
				if out, err := exec.CommandContext(t.Context(), read, path).CombinedOutput(); err == nil {
					t.Errorf("%s is taken: %s", change[1], out)
				}
			}
		})
	}
}

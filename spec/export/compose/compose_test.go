package compose_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/compose"
	"github.com/safe-run/safe-run/spec/export/exporttest"
)

// loaded reads a file as docker compose does: with its schema, which knows no other
// fields, and with an environment of which nothing must be taken.
func loaded(t *testing.T, data []byte) (types.ServiceConfig, error) {
	t.Helper()
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  t.TempDir(),
		ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: data}},
		Environment: types.Mapping{"HOME": "taken", "d": "taken", "x": "taken", "A": "taken"},
	})
	if err != nil {
		return types.ServiceConfig{}, err
	}
	return project.Services["app"], nil
}

// input is an application that does everything that its profile lets it.
func input(p profiles.Profile) export.Input {
	in := exporttest.Input(p)
	in.Env = []string{"A=b c$d", "B='\"\n", "C=${HOME} $$ ${x:-y}", "D=", "E=yes", "F=0x10"}
	in.Command, in.Args = []string{"/bin/app", "$HOME"}, []string{"serve", "it's", "", "on", "- a", "1e3"}
	if *p.Network.Mode == profiles.NetworkBridge {
		in.Publish = []export.Port{{HostIP: "127.0.0.1", HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}, {ContainerPort: 53, Protocol: "udp"}}
	}
	return in
}

func exported(t *testing.T, in export.Input) []byte {
	t.Helper()
	result, err := compose.Export(in)
	if err != nil {
		t.Fatal(err)
	}
	return result.Files[0].Data
}

// TestLoads: docker compose's own reader takes every export, and reads out of it what
// the profile says and what was typed.
func TestLoads(t *testing.T) {
	all := map[string]profiles.Profile{"whole": exporttest.Whole()}
	for _, name := range builtin.Names() {
		all[name] = exporttest.Profile(name)
	}
	for name, p := range all {
		t.Run(name, func(t *testing.T) {
			in := input(p)
			data := exported(t, in)
			s, err := loaded(t, data)
			if err != nil {
				t.Fatalf("%v\n%s", err, data)
			}
			var env []string
			for key, value := range s.Environment {
				env = append(env, key+"="+*value)
			}
			slices.Sort(env)
			same(t, "environment", env, in.Env)
			same(t, "entrypoint", s.Entrypoint, in.Command)
			same(t, "command", s.Command, in.Args)
			same(t, "read_only", s.ReadOnly, *p.Rootfs.ReadOnly)
			same(t, "cap_drop", s.CapDrop, []string{"ALL"})
			same(t, "cap_add", len(s.CapAdd), len(p.Process.Capabilities))
			same(t, "security_opt", s.SecurityOpt, []string{"no-new-privileges:true", "seccomp:./seccomp.json"})
			same(t, "mem_limit", int64(s.MemLimit), int64(*p.Resources.Memory))
			same(t, "memswap_limit", int64(s.MemSwapLimit), int64(*p.Resources.Memory)+int64(*p.Resources.Swap))
			same(t, "cpus", int64(s.CPUS*1000+0.5), int64(*p.Resources.CPUs))
			same(t, "pids_limit", s.PidsLimit, *p.Resources.Pids)
			same(t, "ports", len(s.Ports), len(in.Publish))
			same(t, "network_mode", s.NetworkMode == "none", *p.Network.Mode == profiles.NetworkNone)
			same(t, "privileged", s.Privileged, false)
			same(t, "stop_grace_period", *s.StopGracePeriod, types.Duration((time.Duration(*p.Process.StopTimeout) + time.Second - 1).Truncate(time.Second)))
			for _, l := range p.Process.Rlimits {
				if got := s.Ulimits[strings.ToLower(string(l.Name))]; got == nil || int64(got.Soft) != *l.Soft || int64(got.Hard) != *l.Hard {
					t.Errorf("ulimit %s: %+v", l.Name, got)
				}
			}
			for _, m := range p.Mounts.Tmpfs {
				if !slices.ContainsFunc(s.Tmpfs, func(one string) bool {
					return strings.HasPrefix(one, m.Path+":") && strings.Contains(one, fmt.Sprintf("size=%d,", int64(*m.Size)))
				}) {
					t.Errorf("no tmpfs %s in %v", m.Path, s.Tmpfs)
				}
			}
		})
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("%s is %q, not %q", what, got, want)
	}
}

// TestLoadsNot: the reader refuses a field that is misspelt, each in its turn.
func TestLoadsNot(t *testing.T) {
	data := string(exported(t, input(exporttest.Profile("web"))))
	refused := 0
	for line := range strings.Lines(data) {
		key, _, found := strings.Cut(line, ":")
		if !found || !strings.HasPrefix(key, "    ") || strings.HasPrefix(key, "     ") {
			continue // fields of the service are four columns in
		}
		if _, err := loaded(t, []byte(strings.Replace(data, line, key+"x"+line[len(key):], 1))); err == nil {
			t.Errorf("%sx is taken", key)
		}
		refused++
	}
	if refused < 15 {
		t.Errorf("only %d fields", refused)
	}
}

package export_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/export"
	"github.com/safe-run/safe-run/spec/export/exporttest"
)

var update = flag.Bool("update", false, "write golden files")

// TestGolden shows what every built-in profile becomes, without the filters,
// which spec's own golden files show.
func TestGolden(t *testing.T) {
	for _, target := range []string{"apparmor", "compose", "docker", "nomad", "podman"} {
		for _, name := range builtin.Names() {
			t.Run(target+"-"+name, func(t *testing.T) {
				in := exporttest.Input(exporttest.Profile(name))
				in.Env, in.Args = []string{"A=b c$d", "B='\"\n"}, []string{"serve", "it's"}
				if *in.Profile.Network.Mode == profiles.NetworkBridge {
					in.Publish = []export.Port{{HostIP: "127.0.0.1", HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}}
				}
				result, err := targets[target](in)
				if err != nil {
					t.Fatal(err)
				}
				golden(t, filepath.Join("testdata", target+"-"+name+".golden"), whole(result))
			})
		}
	}
}

// whole writes an export into one text.
func whole(r export.Result) []byte {
	var b bytes.Buffer
	for _, f := range r.Files {
		if !strings.HasSuffix(f.Path, "seccomp.json") {
			fmt.Fprintf(&b, "-- %s --\n%s", f.Path, f.Data)
		}
	}
	b.WriteString("-- losses --\n")
	for _, l := range r.Losses {
		fmt.Fprintf(&b, "%s %s %s\n  %s\n  %s\n", l.Severity, l.Setting, l.Value, l.Lost, l.Do)
	}
	return b.Bytes()
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s is not what the export gives; go test ./spec/export -update, and read the difference\n%s", path, got)
	}
}

package kubernetes

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/safe-run/safe-run/spec/export"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden keeps whole exports to be read: run with -update, and look at the
// difference.
func TestGolden(t *testing.T) {
	web := inputOf(resolved(t, "web"))
	web.Replicas = 3
	db := inputOf(resolved(t, "db"))
	db.Publish = []export.Port{{HostIP: "127.0.0.1", ContainerPort: 5432, Protocol: "tcp"}}
	everything := inputOf(fullProfile(t))
	everything.Publish = nil
	keys := map[string]string{"/keys/release.pub": somePEM}
	for _, test := range []struct {
		name string
		in   export.Input
		o    Options
	}{
		{"web", web, Options{}},
		{"db", db, Options{Kind: "StatefulSet", Volumes: []Volume{{Path: "/var/lib/postgresql", Size: 10 << 30}}, Seccomp: FilterOperator}},
		{"everything", everything, Options{Kind: "CronJob", Schedule: "@daily", Format: "kustomize", Keys: keys}},
		{"chart", web, Options{Format: "helm"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			for _, f := range exported(t, test.in, test.o).Files {
				if strings.Contains(f.Path, "seccomp") {
					continue // as long as all others, and golden elsewhere
				}
				out.WriteString("-- " + f.Path + " --\n" + string(f.Data))
			}
			path := filepath.Join("testdata", test.name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), out.String()); diff != "" {
				t.Errorf("run go test ./spec/export/kubernetes -update when this is meant:\n%s", diff)
			}
		})
	}
}

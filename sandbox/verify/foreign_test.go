package verify

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/battery"
)

// foreignBattery runs a shell script in place of the probe program, under a
// "tool" that is a script itself.
func foreignBattery(t *testing.T, script string) (*Battery, foreign) {
	t.Helper()
	probe := filepath.Join(t.TempDir(), "probe")
	if err := os.WriteFile(probe, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	b := &Battery{Probe: probe, Table: []battery.Probe{{ID: "M01", Layers: []battery.Stop{{Layer: battery.Seccomp, Errnos: []string{"EPERM"}}}}}}
	return b, foreign{name: "sh", command: func(_ context.Context, p place) ([]string, error) {
		return []string{"sh", filepath.Join(p.root, probeInside)}, nil
	}}
}

// TestForeignIsPartial: what a tool says before it breaks is kept.
func TestForeignIsPartial(t *testing.T) {
	for _, test := range []struct{ name, script, want string }{
		{"breaks", `echo '{"id":"M01","verdict":"blocked","errno":"EPERM"}'; echo broken >&2; exit 3`, "broken"},
		{"lies", `echo '{"id":"M01","verdict":"blocked","errno":"EPERM"}'; echo nonsense`, "line 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, tool := foreignBattery(t, test.script)
			p, err := b.place(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			out, err := b.carryOut(t.Context(), tool, p)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			r := b.inferred(out)[0]
			if r.Verdict != battery.Blocked || r.Observed != battery.Seccomp || !r.Inferred {
				t.Errorf("got %+v", r)
			}
		})
	}
}

// TestForeignMissing: a tool that is not there is a line and a hint.
func TestForeignMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	b := &Battery{}
	for _, name := range append(Foreign(), "nothing") {
		if _, err := b.RunForeign(t.Context(), name); err == nil {
			t.Errorf("%s ran", name)
		}
	}
}

// TestForeignRunc: the same battery under runc's own defaults.
func TestForeignRunc(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root: NOT CHECKED: the battery under runc")
	}
	if _, err := exec.LookPath("runc"); err != nil {
		t.Skip("NOT CHECKED: runc is not installed")
	}
	b, _ := foreignBattery(t, "")
	b.Probe = filepath.Join(t.TempDir(), "probe")
	if out, err := exec.Command("sh", "-c", "cc -static -O1 -o "+b.Probe+" ../../cmd/safe-run-probe/*.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b.Only, b.Table = []string{"M01", "M09"}, []battery.Probe{{ID: "M01"}, {ID: "M09"}}
	report, err := b.RunForeign(t.Context(), "runc")
	if err != nil {
		t.Fatal(err)
	}
	if report.Partial != "" || report.Results[0].Verdict != battery.Blocked || report.Results[1].Verdict != battery.Allowed {
		t.Errorf("mounting is refused by runc's defaults and a user namespace is not; got %+v", report)
	}
}

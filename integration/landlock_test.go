package integration

import (
	"slices"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/integration/leaks"
	"github.com/safe-run/safe-run/sandbox/probe"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/battery/predict"
)

// needLandlock gives the version of this kernel's.
func needLandlock(t *testing.T) int {
	t.Helper()
	needRoot(t)
	abi := probe.Host().Landlock
	if abi < spec.LandlockSince {
		t.Skipf("NOT CHECKED: Landlock holds alone: this kernel has version %d of it", abi)
	}
	return abi
}

// TestLandlockAlone: with the filter, the capabilities, the mount options, the
// read-only root and the user taken away, Landlock still holds; without it as
// well, everything is let through.
func TestLandlockAlone(t *testing.T) {
	alone := []string{"M01", "M02", "M04", "R08", "X13"}
	if needLandlock(t) >= 4 { // which is the first that knows ports
		alone = append(alone, "N11")
	}
	base := predict.Without(battery.Seccomp, battery.Capabilities, battery.Masks, battery.Mounts, battery.ReadOnly, battery.NonRoot)
	b := attacker(t, "default")
	b.Base, b.Only = base, alone
	for _, r := range attack(t, b).Results {
		if r.Verdict != battery.Blocked || r.Observed != battery.Landlock || r.Wrong != "" {
			t.Errorf("%s: %s by %s (%s): %s %s", r.ID, r.Verdict, r.Observed, r.Errno, r.Detail, r.Wrong)
		}
	}
	b.Base = func(p *spec.Plan) {
		base(p)
		predict.Without(battery.Landlock)(p)
	}
	for _, r := range attack(t, b).Results {
		if r.Verdict != battery.Allowed {
			t.Errorf("%s is %s without Landlock as well, and tells nothing: %s", r.ID, r.Verdict, r.Detail)
		}
	}
}

// TestLandlockOfExec: a further process is under rules as well, of its own: it
// does not look into the first one. Without Landlock it does.
func TestLandlockOfExec(t *testing.T) {
	needLandlock(t)
	leaks.Check(t)
	for _, c := range []struct {
		flags []string
		want  string
	}{{nil, "EACCES"}, {[]string{"--accept", "landlock"}, "ok"}} {
		_, container := named(t, c.flags...)
		out, err := launcher(t, "exec", container, "/peek", "open", "/proc/1/environ", "ro").Output()
		if got := strings.TrimSpace(string(out)); got != c.want {
			t.Errorf("%v: %q, want %q (%v)", c.flags, got, c.want, err)
		}
	}
}

// TestLayers: every critical attack is held by two layers or more, each of them
// seen when the other was gone.
func TestLayers(t *testing.T) {
	needLandlock(t)
	b := attacker(t, "default")
	b.Layers = true
	for _, p := range battery.Probes() {
		if p.Critical {
			b.Only = append(b.Only, p.ID)
		}
	}
	for _, r := range attack(t, b).Results {
		if r.Verdict == battery.Blocked && len(r.Independent) < 2 {
			t.Errorf("%s is held by %v alone", r.ID, r.Independent)
		}
		if r.ID == "M01" && !slices.Contains(r.Independent, battery.Landlock) {
			t.Errorf("M01 is held by %v", r.Independent)
		}
	}
}

package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/verify"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/battery/predict"
)

// attacker is a battery against a profile, by the programs that were built.
func attacker(t *testing.T, profile string) *verify.Battery {
	t.Helper()
	needRoot(t)
	p := built(t)
	policy, err := policies.Here.Resolve(profile)
	if err != nil {
		t.Fatal(err)
	}
	b := &verify.Battery{
		Launcher: p.safeRun, Probe: filepath.Join(filepath.Dir(p.safeRun), "safe-run-probe"),
		Flags: []string{"--profile", profile}, Ledger: ledger.DefaultDir, Table: battery.Probes(), Predict: predict.Stops, Exceptions: map[string]string{},
	}
	if _, err := os.Stat(b.Probe); err != nil {
		t.Fatal(err)
	}
	for _, e := range policy.Verify.Allow {
		b.Exceptions[e.Probe] = e.Why
	}
	return b
}

func attack(t *testing.T, b *verify.Battery) *battery.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	report, err := b.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestVerifyBuiltins: of every built-in profile what is predicted is what is
// seen, and nothing is let through that the profile does not name: nothing at
// all of the rows about ways out.
func TestVerifyBuiltins(t *testing.T) {
	for _, name := range builtin.Names() {
		t.Run(name, func(t *testing.T) {
			b := attacker(t, name)
			b.Layers = name == "default"
			report := attack(t, b)
			if report.Partial != "" {
				t.Error(report.Partial)
			}
			used := map[string]bool{}
			for _, r := range report.Results {
				if r.Wrong != "" {
					t.Errorf("%s: %s (%s%s: %s)", r.ID, r.Wrong, r.Errno, r.Signal, r.Detail)
				}
				if r.Verdict == battery.Allowed {
					used[r.ID] = true
					if strings.Contains("MKDAPF", r.ID[:1]) {
						t.Errorf("%s is let through: %s", r.ID, r.Detail)
					}
				}
				if r.Verdict == battery.NotRun && r.ID == "N15" {
					t.Log("NOT CHECKED: N15: ", r.Detail)
				} else if r.Verdict == battery.NotRun && r.ID != "R01" && r.ID != "R02" && r.ID != "R05" { // limits that are too large, or not used up
					t.Errorf("%s was not run: %s", r.ID, r.Detail)
				}
				if b.Layers && r.Verdict == battery.Blocked && slices.Contains(twice, r.ID) && ours(r) < 2 {
					t.Errorf("%s was seen to be held by %s, want two layers of the plan", r.ID, r.Independent)
				}
				if b.Layers && r.Verdict == battery.Blocked && len(r.Independent) == 0 {
					t.Errorf("%s is stopped by %s, and by no layer", r.ID, r.Observed)
				}
			}
			for id := range b.Exceptions {
				if !used[id] {
					t.Errorf("the profile lets %s through on purpose, and it is stopped", id)
				}
			}
			if n := len(report.Results); n != 100 {
				t.Errorf("%d results, want 100", n)
			}
		})
	}
}

// twice are attacks that the default profile holds by two layers of its own, which
// are both seen to hold, on every kernel.
var twice = strings.Fields(`M01 M02 M03 M04 M05 M06 M07 M08 M09 M10 M11 M12 M14 M16 M17 K03 K04 K06 K10 X18 N12 N15 F03 F06 F10 F11
	D01 D02 D03 P01 P02 P03 P04 P05 P06 R01 R03 R07 R08`)

// ours counts the layers that a plan makes.
func ours(r battery.Result) (n int) {
	for _, l := range r.Independent {
		if l.Ours() {
			n++
		}
	}
	return n
}

// TestVerifyCountsWhatHolds: a layer that was to be there and is not does not count,
// although the one behind it gives the same error.
func TestVerifyCountsWhatHolds(t *testing.T) {
	needLandlock(t)
	held := func(sabotage func(*spec.Plan)) (layers int, wrong []string) {
		b := attacker(t, "default")
		b.Layers, b.Sabotage, b.Only = true, sabotage, strings.Fields("M01 M02 M04 N11")
		report := attack(t, b)
		for _, r := range report.Results {
			layers += ours(r)
			if sabotage != nil && slices.Contains(r.Independent, battery.Landlock) {
				t.Errorf("%s: Landlock counts, and nobody applied it: %v", r.ID, r.Independent)
			}
		}
		return layers, misses(report)
	}
	whole, wrong := held(nil)
	if whole < 12 || len(wrong) > 0 {
		t.Errorf("%d layers, %v", whole, wrong)
	}
	without, wrong := held(func(p *spec.Plan) { p.Landlock = nil })
	if without > whole-4 || len(wrong) != 4 {
		t.Errorf("without Landlock %d layers, %d with it; misses: %v", without, whole, wrong)
	}
}

// TestVerifyMisses: whatever is taken out of the plan that runs, the battery
// finds out against the plan that was meant.
func TestVerifyMisses(t *testing.T) {
	// What is held twice is missed where the other layer is not there; what a
	// busy machine does not use up, where there is little of it.
	profiles := map[string]string{
		"read-only paths": "process: {capabilities: [{name: NET_ADMIN, why: a test}]}\nverify: {allow: [{probe: P01, why: a test}]}",
		"processor time":  "resources: {cpus: 0.1}",
	}
	// What stands behind another layer is seen where that is not.
	behind := map[string]battery.Layer{
		"Landlock": battery.Seccomp, "noexec": battery.Landlock, "IPC namespace": battery.Seccomp,
		"sysctls of the namespaces": battery.Seccomp, "processes of a user": battery.Cgroup,
	}
	// Without a layer attacks get through that it alone holds; they tell nothing.
	before := map[battery.Layer][]string{}
	for _, layer := range behind {
		if before[layer] == nil {
			b := attacker(t, "default")
			b.Base = predict.Without(layer)
			before[layer] = misses(attack(t, b))
		}
	}
	for _, control := range predict.Controls() {
		t.Run(control.Name, func(t *testing.T) {
			profile := "default"
			if text := profiles[control.Name]; text != "" {
				profile = filepath.Join(t.TempDir(), "profile.yaml")
				text = "apiVersion: safe-run.dev/v1\nkind: Profile\nmetadata: {name: test}\nextends: default\n" + text + "\n"
				if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			b := attacker(t, profile)
			if text := profiles[control.Name]; text != "" {
				if wrong := misses(attack(t, b)); len(wrong) > 0 {
					t.Fatalf("with all controls: %v", wrong)
				}
			}
			b.Sabotage = control.Remove
			if layer := behind[control.Name]; layer != "" {
				b.Base = predict.Without(layer)
			}
			report := attack(t, b)
			found := slices.DeleteFunc(misses(report), func(m string) bool { return slices.Contains(before[behind[control.Name]], m) })
			if len(found) == 0 {
				t.Errorf("nobody misses it; %s", report.Partial)
			}
			t.Log(len(found), "attacks tell:", strings.Join(found[:min(len(found), 12)], ", "), report.Partial)
		})
	}
}

// misses are the results that are failures.
func misses(report *battery.Report) (found []string) {
	for _, r := range report.Results {
		if r.Wrong != "" {
			found = append(found, fmt.Sprintf("%s (%s): %s", r.ID, r.Verdict, r.Wrong))
		}
	}
	return found
}

// TestVerifyOnly: one attack is one result.
func TestVerifyOnly(t *testing.T) {
	b := attacker(t, "default")
	b.Only = []string{"K03"}
	report := attack(t, b)
	if len(report.Results) != 1 || report.Results[0].Observed != battery.Seccomp || report.Results[0].Inferred {
		t.Errorf("got %+v", report.Results)
	}
	if !slices.Equal(report.Results[0].Predicted, []battery.Layer{battery.Seccomp, battery.Capabilities}) {
		t.Errorf("predicted %v", report.Results[0].Predicted)
	}
}

package kube

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// fixtures are those of Kubernetes's own tests, in the module.
func fixtures(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var files []string
	err = filepath.WalkDir(filepath.Join(strings.TrimSpace(string(out)), "test", "testdata"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".yaml") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestStandardsAgree: for every fixture of Kubernetes, of all versions, and for
// both levels, the checks that fail are those that Kubernetes's own code fails.
func TestStandardsAgree(t *testing.T) {
	files := fixtures(t)
	if len(files) < 4000 {
		t.Fatalf("%d fixtures, want some 4,241", len(files))
	}
	seen := map[string]bool{}
	verdicts := map[bool]int{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Read("pod.yaml", data)
		if err != nil || len(m.Pods) != 1 || len(m.Warnings) > 0 {
			t.Fatalf("%s: %d pods, %q, %v", file, len(m.Pods), m.Warnings, err)
		}
		pod := m.Pods[0]
		for level, theirs := range map[Level]api.Level{Baseline: api.LevelBaseline, Restricted: api.LevelRestricted} {
			got, want := pod.Failed(level), theirFailures(t, theirs, pod)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: %q fail, and Kubernetes says %q", file, level, got, want)
			}
			for _, id := range want {
				seen[id] = true
			}
			verdicts[len(want) == 0]++
		}
	}
	for _, c := range checks {
		if !seen[c.id] {
			t.Errorf("no fixture fails %s: it was not compared", c.id)
		}
	}
	t.Logf("%d fixtures; of their verdicts %d are allowed and %d refused", len(files), verdicts[true], verdicts[false])
}

// theirFailures are the ids of the checks that Kubernetes itself fails. Its
// results have no ids, so each check is asked alone.
func theirFailures(t *testing.T, level api.Level, pod Pod) []string {
	t.Helper()
	var out, overridden []string
	latest := func(c policy.Check) policy.VersionedCheck { return c.Versions[len(c.Versions)-1] }
	for _, c := range policy.DefaultChecks() {
		if level == api.LevelRestricted {
			for _, id := range latest(c).OverrideCheckIDs {
				overridden = append(overridden, string(id))
			}
		}
	}
	for _, c := range policy.DefaultChecks() {
		if (c.Level == api.LevelBaseline || level == api.LevelRestricted) && !slices.Contains(overridden, string(c.ID)) &&
			!latest(c).CheckPod(&pod.Meta, &pod.Spec).Allowed {
			out = append(out, string(c.ID))
		}
	}
	evaluator := evaluated(t)
	all := policy.AggregateCheckResults(evaluator.EvaluatePod(api.LevelVersion{Level: level, Version: api.LatestVersion()}, &pod.Meta, &pod.Spec))
	if all.Allowed != (len(out) == 0) {
		t.Fatalf("the evaluator says %t, and its checks fail %q", all.Allowed, out)
	}
	slices.Sort(out)
	return out
}

var evaluator policy.Evaluator

func evaluated(t *testing.T) policy.Evaluator {
	t.Helper()
	if evaluator == nil {
		var err error
		if evaluator, err = policy.NewEvaluator(policy.DefaultChecks(), nil); err != nil {
			t.Fatal(err)
		}
	}
	return evaluator
}

package containerd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	node "k8s.io/api/node/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// documents are those of a file under deploy, read without letting anything pass
// that Kubernetes has no field for.
func documents(t *testing.T, file string, into ...any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deploy/containerd", file))
	must(t, err)
	parts := strings.Split(string(text), "\n---\n")
	if len(parts) != len(into) {
		t.Fatalf("%s has %d documents, not %d", file, len(parts), len(into))
	}
	for i, part := range parts {
		must(t, yaml.UnmarshalStrict([]byte(part), into[i]))
	}
}

// TestManifests: what a cluster is given are objects of Kubernetes, and the
// DaemonSet's namespace says of itself what its pods need.
func TestManifests(t *testing.T) {
	var first, second node.RuntimeClass
	documents(t, "runtimeclass.yaml", &first, &second)
	if first.Handler != first.Name || second.Handler != second.Name {
		t.Errorf("handlers %q and %q", first.Handler, second.Handler)
	}
	var namespace core.Namespace
	var set apps.DaemonSet
	documents(t, "daemonset.yaml", &namespace, &set)
	if set.Namespace != namespace.Name || namespace.Labels["pod-security.kubernetes.io/enforce"] != "privileged" {
		t.Errorf("namespace %q of %q", set.Namespace, namespace.Name)
	}
	pod := set.Spec.Template
	for key, value := range set.Spec.Selector.MatchLabels {
		if pod.Labels[key] != value {
			t.Errorf("its pods have no label %s=%s", key, value)
		}
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	must(t, err)
	judge := func(level api.Level) bool {
		for _, r := range evaluator.EvaluatePod(api.LevelVersion{Level: level, Version: api.LatestVersion()}, &pod.ObjectMeta, &pod.Spec) {
			if !r.Allowed {
				return false
			}
		}
		return true
	}
	if !judge(api.LevelPrivileged) || judge(api.LevelBaseline) {
		t.Error("a namespace that is less than privileged would take its pods")
	}
	// What stays after the installation could run anywhere.
	pod.Spec.InitContainers, pod.Spec.Volumes, pod.Spec.HostPID = nil, nil, false
	if !judge(api.LevelRestricted) {
		t.Error("the container that stays is not restricted")
	}
}

// TestDaemonSetInstalls: its script installs into a tree, asks for a restart of
// containerd until that was done, fails when it cannot install, and what it wrote
// can be taken back.
func TestDaemonSetInstalls(t *testing.T) {
	var namespace core.Namespace
	var set apps.DaemonSet
	documents(t, "daemonset.yaml", &namespace, &set)
	dir := t.TempDir()
	for _, name := range []string{"opt", "host/etc/containerd", "host/usr/local/bin", "said"} {
		must(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-tags", strings.TrimSuffix(buildTags, " no_grpc"), "-o", dir+"/opt/safe-run-policy", "../../cmd/safe-run-policy")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	must(t, os.WriteFile(dir+"/opt/containerd-shim-saferun-v2", []byte("#!/bin/sh\n"), 0o755))
	command := set.Spec.Template.Spec.InitContainers[0].Command
	at := strings.NewReplacer("/opt/safe-run", dir+"/opt", "/host", dir+"/host", "/said", dir+"/said")
	script := func() ([]byte, error) {
		return exec.Command(command[0], command[1], at.Replace(command[2])).CombinedOutput()
	}
	run := func() (string, bool) {
		out, err := script()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		_, err = os.Stat(dir + "/said/restart")
		_ = os.Remove(dir + "/said/restart")
		return string(out), err == nil
	}
	must(t, os.WriteFile(dir+"/host/etc/containerd/config.toml", []byte("version = {\n"), 0o644))
	if out, err := script(); err == nil || !strings.Contains(string(out), "config.toml") {
		t.Errorf("with a configuration that it cannot read: %v\n%s", err, out)
	}
	must(t, os.Remove(dir+"/host/etc/.safe-run-restart"))
	must(t, os.WriteFile(dir+"/host/etc/containerd/config.toml", []byte("version = 3\n"), 0o644))
	for _, when := range []string{"it is installed", "its pod has ended before"} {
		if out, restart := run(); !restart {
			t.Errorf("containerd is not restarted when %s:\n%s", when, out)
		}
	}
	must(t, os.Remove(dir+"/host/etc/.safe-run-restart")) // which the restart does
	for _, name := range []string{"etc/containerd/conf.d/saferun.toml", "etc/safe-run/shim.yaml", "usr/local/bin/containerd-shim-saferun-v2", "usr/local/bin/safe-run-policy"} {
		if _, err := os.Stat(filepath.Join(dir, "host", name)); err != nil {
			t.Error(err)
		}
	}
	if out, restart := run(); restart {
		t.Errorf("containerd is restarted after\n%s", out)
	}
	out, err := exec.Command(dir+"/host/usr/local/bin/safe-run-policy", "install", "containerd", "--root", dir+"/host", "--undo").CombinedOutput()
	if _, there := os.Stat(dir + "/host/etc/containerd/conf.d/saferun.toml"); err != nil || !os.IsNotExist(there) {
		t.Errorf("%v: %s", err, out)
	}
}

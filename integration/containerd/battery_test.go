package containerd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/sandbox/probe"
	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/sandbox/verify"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/battery/predict"
)

// attacking builds what verify needs beside a shim.
func attacking(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	must(t, os.Chmod(dir, 0o755))
	sources, err := filepath.Glob("../../cmd/safe-run-probe/*.c")
	must(t, err)
	compile := exec.Command("cc", append([]string{"-static", "-O2", "-o", dir + "/safe-run-probe"}, sources...)...)
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	policy := exec.Command("go", "build", "-trimpath", "-tags", strings.TrimSuffix(buildTags, " no_grpc"), "-o", dir+"/safe-run-policy", "../../cmd/safe-run-policy")
	policy.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := policy.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// TestBattery: each built-in profile is attacked in a container that containerd
// starts by the shim, and nothing gets through that the plan does not predict, nor
// is stopped by anything else. By runc's shim the same attacks are told of, and
// not judged.
func TestBattery(t *testing.T) {
	e := newEngine(t, "")
	dir := attacking(t)
	attack := func(flags ...string) (all struct{ Reports []battery.Report }, code int, said string) {
		cmd := exec.Command(dir+"/safe-run-policy", append([]string{"verify", "--containerd", e.dir + "/s", "--format", "json"}, flags...)...)
		cmd.Env = append(os.Environ(), "PATH="+e.tools+":"+os.Getenv("PATH"))
		complaints := &bytes.Buffer{}
		cmd.Stderr = complaints
		out, _ := cmd.Output()
		if err := json.Unmarshal(out, &all); err != nil {
			t.Fatalf("%v: %v: %s%s", flags, err, out, complaints)
		}
		return all, cmd.ProcessState.ExitCode(), complaints.String()
	}
	t.Run("profiles", func(t *testing.T) { // all at once, and then what follows
		for _, name := range builtin.Names() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				all, code, said := attack("--runtime", shimBin, "--profile", name)
				held(t, all.Reports[0])
				if code != 0 || all.Reports[0].Profile != name {
					t.Errorf("%s: exit %d: %s", all.Reports[0].Profile, code, said)
				}
			})
		}
	})
	if _, err := os.Stat(filepath.Join(e.tools, "containerd-shim-runc-v2")); err != nil {
		t.Skip("NOT CHECKED: the battery by runc's shim: ", err)
	}
	if _, err := exec.LookPath("runc"); err != nil {
		t.Skip("NOT CHECKED: the battery by runc's shim: ", err)
	}
	all, code, said := attack("--runtime", "io.containerd.runc.v2", "--only", "M01,X08,P01")
	if code != 0 || len(all.Reports) != 1 || all.Reports[0].Results[1].Verdict != battery.Allowed {
		t.Errorf("by runc: exit %d, %+v: %s", code, all, said)
	}
}

// held looks for results that were not predicted.
func held(t *testing.T, r battery.Report) {
	t.Helper()
	stopped := 0
	for _, one := range r.Results {
		if one.Wrong != "" || one.Verdict == battery.Error {
			t.Errorf("%s: %s by %s (%s%s): %s: %s", one.ID, one.Verdict, one.Observed, one.Errno, one.Signal, one.Wrong, one.Detail)
		}
		if one.Verdict == battery.Blocked {
			stopped++
		}
	}
	if r.Partial != "" || stopped < 70 {
		t.Errorf("%d attacks were stopped; partial: %s", stopped, r.Partial)
	}
}

// TestBatteryOfPods: the same in containers of pods, with the network and the files
// that pods have; with hostUsers: false in the profile as it is.
func TestBatteryOfPods(t *testing.T) {
	p := newPods(t)
	dir := attacking(t)
	for runtime, profile := range map[string]string{"refuse": filepath.Join(p.dir, "etc", "webby.yaml"), "named": "default"} {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			p.attacked(t, runtime, profile, dir+"/safe-run-probe")
		})
	}
}

// attacked judges a container of a pod.
func (p *pods) attacked(t *testing.T, runtime, profile, program string) {
	sandbox := p.sandbox("attacked-" + runtime)
	users := &cri.UserNamespace{Mode: cri.NamespaceMode_NODE}
	if runtime == "named" {
		ids := []*cri.IDMapping{{HostId: 1 << 20, ContainerId: 0, Length: 65536}}
		users = &cri.UserNamespace{Mode: cri.NamespaceMode_POD, Uids: ids, Gids: ids}
	}
	sandbox.Linux.SecurityContext.NamespaceOptions.UsernsOptions = users
	pod, err := p.begin(t, runtime, sandbox)
	must(t, err)
	b := verify.Battery{Table: battery.Probes(), Predict: predict.Stops, Exceptions: map[string]string{}}
	made := func(name string, args ...string) (string, *spec.Plan, spec.Host) {
		c := p.container(name, append([]string{predict.ProbePath, "run"}, args...)...)
		c.Linux.SecurityContext.NamespaceOptions.UsernsOptions = users
		c.Mounts = []*cri.Mount{{HostPath: program, ContainerPath: predict.ProbePath, Readonly: true}}
		answer, err := p.CreateContainer(p.ctx, &cri.CreateContainerRequest{PodSandboxId: pod, Config: c, SandboxConfig: sandbox})
		must(t, err)
		plan, host, allowed := p.plan(answer.ContainerId, profile)
		for _, e := range allowed {
			b.Exceptions[e.Probe] = e.Why
		}
		return answer.ContainerId, plan, host
	}
	_, plan, _ := made("first") // which is never started
	id, plan, host := made("attacked", "--limits", verify.Limits(plan))
	_, err = p.StartContainer(p.ctx, &cri.StartContainerRequest{ContainerId: id})
	must(t, err)
	p.eventually("it has ended", func() bool {
		status, err := p.ContainerStatus(p.ctx, &cri.ContainerStatusRequest{ContainerId: id})
		return err == nil && status.Status.State == cri.ContainerState_CONTAINER_EXITED
	})
	text, err := os.ReadFile(filepath.Join(sandbox.LogDirectory, "attacked.log"))
	must(t, err)
	held(t, *b.Judge(unlogged(t, string(text)), plan, host))
}

// plan is what the shim makes of a container of a profile.
func (p *pods) plan(id, name string) (*spec.Plan, spec.Host, []profiles.Exception) {
	p.t.Helper()
	oci := &specs.Spec{}
	must(p.t, json.Unmarshal([]byte(p.must("container", "info", "--spec", id)), oci))
	profile, err := policies.Here.ForBundle("", name)
	must(p.t, err)
	joined, err := runc.JoinsHost(oci)
	must(p.t, err)
	host := probe.Host()
	plan, err := spec.BundlePlan(spec.BundleInput{
		OCI: oci, Profile: *profile, Host: host, HostNamespaces: joined, Encloses: true, Reacts: true,
		Pod: spec.Pod{UID: oci.Annotations["io.kubernetes.cri.sandbox-uid"], Sandbox: oci.Annotations["io.kubernetes.cri.sandbox-id"]},
	})
	must(p.t, err)
	return plan, host, profile.Verify.Allow
}

// unlogged gives standard output out of a log of the CRI's.
func unlogged(t *testing.T, text string) *strings.Reader {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if len(fields) == 4 && fields[1] == "stdout" {
			fmt.Fprint(&out, fields[3])
			if fields[2] == "F" {
				fmt.Fprintln(&out)
			}
		}
	}
	return strings.NewReader(out.String())
}

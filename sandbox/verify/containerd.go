package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/battery/predict"
	"github.com/safe-run/safe-run/spec/problem"
)

// Containerd is a runtime of a containerd, and a container of it.
type Containerd struct {
	// Address is containerd's socket, Ctr its client, Namespace whose container it is.
	Address, Ctr, Namespace string
	// Runtime is its name or path, Config a file for it; empty: it has its own.
	Runtime, Config string
	// Ask changes what containerd gives to who asks for nothing.
	Ask func(*specs.Spec)
	// Meet says what the runtime makes of what is asked; nil: nobody knows, and
	// nothing is predicted.
	Meet func(*specs.Spec) (*spec.Plan, spec.Host, error)
}

// RunContainerd attacks a container that containerd starts. An error is one that
// left nothing to report: a line and a hint.
func (b *Battery) RunContainerd(ctx context.Context, c Containerd) (*battery.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	dir, err := os.MkdirTemp("", "safe-run-verify-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	report := &battery.Report{Runtime: filepath.Base(c.Runtime), Where: "host", Began: time.Now().UTC()}
	out := attacked{}
	oci, err := c.spec(ctx, dir, b.Probe)
	if err != nil {
		return nil, err
	}
	id := filepath.Base(dir)
	oci.Linux.CgroupsPath = "/" + id
	args := []string{predict.ProbePath, "run"}
	if len(b.Only) > 0 {
		args = append(args, "--only", strings.Join(b.Only, ","))
	}
	oci.Process.Args = args
	if c.Meet != nil {
		if out.plan, out.host, err = c.Meet(oci); err != nil {
			return nil, err
		}
		report.Profile, report.Kernel = out.plan.Profile, out.host.Kernel
		if all := limits(out.plan); all != "" {
			oci.Process.Args = append(args, "--limits", all)
		}
	}
	config := filepath.Join(dir, "config.json")
	data, err := json.Marshal(oci)
	if err == nil {
		err = os.WriteFile(config, data, 0o600)
	}
	if err != nil {
		return nil, err
	}
	b.tell(report.Runtime + " by containerd")
	out = b.byContainerd(ctx, c, out, id, config)
	if out.wrong != nil && len(out.lines) == 0 {
		return nil, out.wrong
	}
	if out.wrong != nil {
		report.Partial = out.wrong.Error()
	}
	b.judged(report, out)
	if c.Config != "" && report.Facts != nil {
		report.Facts[battery.Configuration] = "the shim by a configuration made for it, and not the host's"
	}
	return report, nil
}

// Judge sets what a probe program said, whoever started it, beside what is
// predicted of its plan.
func (b *Battery) Judge(from io.Reader, plan *spec.Plan, host spec.Host) *battery.Report {
	report := &battery.Report{Profile: plan.Profile, Kernel: host.Kernel, Where: "host", Began: time.Now().UTC()}
	out := attacked{plan: plan, host: host}
	out.said, out.wrong = read(io.LimitReader(from, maxOutput), b.counting())
	if out.wrong != nil || !out.ended {
		report.Partial = orEnded(out.wrong).Error()
	}
	return b.judged(report, out)
}

// judged fills in a report of one sandbox.
func (b *Battery) judged(report *battery.Report, out attacked) *battery.Report {
	report.Took = time.Since(report.Began)
	report.Facts = out.facts
	if report.Kernel == "" {
		report.Kernel = out.facts["kernel"]
	}
	if out.plan == nil {
		report.Results = b.inferred(out.said)
		return report
	}
	report.Facts["lsms"] = strings.Join(out.host.LSMs, " ")
	report.Facts["cgroup version"] = strconv.Itoa(out.host.Cgroup.Version)
	report.Results = b.results(&findings{plain: out})
	return report
}

// Limits is what the probe program is told of the limits of a plan (--limits).
func Limits(plan *spec.Plan) string { return limits(plan) }

// spec is what containerd gives to who asks for nothing, with the probe program in
// a root with little else.
func (c Containerd) spec(ctx context.Context, dir, probe string) (*specs.Spec, error) {
	text, err := exec.CommandContext(ctx, c.Ctr, "oci", "spec").Output()
	oci := &specs.Spec{}
	if err == nil {
		err = json.Unmarshal(text, oci)
	}
	if err == nil && (oci.Process == nil || oci.Linux == nil) {
		err = errors.New("it says nothing of a process")
	}
	if err != nil {
		return nil, problem.New("install containerd's client: apt-get install containerd", "%s oci spec: %w", c.Ctr, err)
	}
	root, program := filepath.Join(dir, "rootfs"), filepath.Join(dir, "probe")
	for _, sub := range []string{"proc", "sys", "dev", "tmp", "run", "etc", "var/tmp"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(root, sub), 0o755))
	}
	err = errors.Join(err, os.Chmod(dir, 0o755), os.WriteFile(filepath.Join(root, predict.ProbePath), nil, 0o755), copyProgram(probe, program))
	oci.Root = &specs.Root{Path: root}
	oci.Process.Terminal = false
	oci.Mounts = append(oci.Mounts, specs.Mount{
		Destination: predict.ProbePath, Type: "bind", Source: program, Options: []string{"bind", "rprivate", "nosuid", "nodev", "ro"},
	})
	if c.Ask != nil {
		c.Ask(oci)
	}
	return oci, err
}

func (c Containerd) ctr(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.Ctr, append([]string{"--address", c.Address, "--namespace", c.Namespace}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// byContainerd runs the container, and leaves nothing of it.
func (b *Battery) byContainerd(ctx context.Context, c Containerd, out attacked, id, config string) attacked {
	args := []string{"run", "--rm", "--runtime", c.Runtime, "--config", config}
	if c.Config != "" {
		args = append(args, "--runtime-config-path", c.Config)
	}
	cmd := c.ctr(ctx, append(args, id)...)
	var complaints bounded
	cmd.Stderr = &complaints
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		out.wrong = problem.New("install containerd's client: apt-get install containerd", "%s: %w", c.Ctr, err)
		return out
	}
	defer c.remove(id)
	out.said, out.wrong = read(io.LimitReader(stdout, maxOutput), b.counting())
	if out.wrong != nil {
		_ = cmd.Cancel() // nobody reads on
	}
	_, _ = io.Copy(io.Discard, stdout)
	ended := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		out.wrong = fmt.Errorf("it took longer than %s: %w", limit, ctx.Err())
	case out.wrong != nil:
		out.wrong = fmt.Errorf("what the container wrote: %w", out.wrong)
	case out.ended:
	case out.killed(ended):
		out.lines = append(out.lines, Line{ID: out.begun, Verdict: battery.Blocked, Signal: "SIGKILL", Effect: true, Detail: "the whole container was killed"})
		out.ended = true
	default:
		why := clean(strings.TrimPrefix(lastLine(complaints.String()), "ctr: "), maxDetail)
		out.wrong = problem.New("look whether containerd answers (ctr --address "+c.Address+" version) and knows the runtime; a profile that the container does not meet is refused",
			"containerd did not run the battery in %s: %w: %s", c.Runtime, orEnded(ended), why)
	}
	return out
}

// remove takes away what is left of a container, whoever was killed.
func (c Containerd) remove(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, args := range [][]string{
		{"task", "rm", "--force", id}, {"container", "rm", id}, {"namespace", "rm", c.Namespace},
	} {
		_ = c.ctr(ctx, args...).Run() // most often there is nothing
	}
}

package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/problem"
)

// foreign is another tool that starts sandboxes, with what it does by default.
type foreign struct {
	name string
	// hint is what to do where it is not there.
	hint string
	// ready says whether it can work here, with what to do otherwise; nil: it can.
	ready func(ctx context.Context) error
	// command starts the program of a root filesystem, given by place.
	command func(ctx context.Context, p place) ([]string, error)
}

// place is what a foreign tool gets.
type place struct {
	dir  string   // of its own, removed afterwards
	root string   // a root filesystem that holds the probe program
	id   string   // for a container's name
	args []string // the command inside
}

var foreigns = []foreign{
	{name: "runc", hint: "apt-get install runc", command: runcCommand},
	{name: "crun", hint: "apt-get install crun", command: crunCommand},
	{name: "docker", hint: "apt-get install docker.io", ready: dockerReady, command: dockerCommand},
	{name: "podman", hint: "apt-get install podman", command: podmanCommand},
	{name: "bwrap", hint: "apt-get install bubblewrap", command: bwrapCommand},
	{name: "runsc", hint: "see https://gvisor.dev/docs/user_guide/install", command: runscCommand},
}

// Foreign are the names of the tools that can be compared with.
func Foreign() []string {
	var names []string
	for _, f := range foreigns {
		names = append(names, f.name)
	}
	return names
}

// probeInside is where the probe program is in a foreign sandbox.
const probeInside = "/safe-run-probe"

// RunForeign attacks what another tool starts by default. An error is one that
// left nothing to report: a line and a hint.
func (b *Battery) RunForeign(ctx context.Context, name string) (*battery.Report, error) {
	i := slices.IndexFunc(foreigns, func(f foreign) bool { return f.name == name })
	if i < 0 {
		return nil, problem.New("choose of: "+strings.Join(Foreign(), ", "), "%.40q is no tool that can be compared with", name)
	}
	tool := foreigns[i]
	if _, err := exec.LookPath(name); err != nil {
		return nil, problem.New(tool.hint, "%s is not installed", name)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if tool.ready != nil {
		if err := tool.ready(ctx); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "safe-run-verify-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	p, err := b.place(dir)
	if err != nil {
		return nil, err
	}
	report := &battery.Report{Runtime: name, Where: "host", Began: time.Now().UTC(), Version: versionOf(ctx, name)}
	b.tell(name + " by default")
	out, err := b.carryOut(ctx, tool, p)
	if len(out.lines) == 0 {
		return nil, problem.New("look at what "+name+" says by itself; the other tools are not affected", "%s did not run the battery: %w", name, orEnded(err))
	}
	if err != nil || !out.ended {
		report.Partial = orEnded(err).Error()
	}
	report.Facts, report.Kernel = out.facts, out.facts["kernel"]
	report.Results = b.inferred(out)
	report.Took = time.Since(report.Began)
	return report, nil
}

// place makes a root filesystem with little in it but the probe program.
func (b *Battery) place(dir string) (place, error) {
	p := place{dir: dir, root: filepath.Join(dir, "rootfs"), id: filepath.Base(dir), args: []string{probeInside, "run"}}
	if len(b.Only) > 0 {
		p.args = append(p.args, "--only", strings.Join(b.Only, ","))
	}
	for _, sub := range []string{"proc", "sys", "dev", "tmp", "run", "etc"} {
		if err := os.MkdirAll(filepath.Join(p.root, sub), 0o755); err != nil {
			return p, err
		}
	}
	err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Join(p.root, "tmp"), 0o777|os.ModeSticky))
	if err == nil {
		err = copyProgram(b.Probe, filepath.Join(p.root, probeInside))
	}
	return p, err
}

func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// carryOut runs a tool in a process group of its own, which ends with it.
func (b *Battery) carryOut(ctx context.Context, tool foreign, p place) (said, error) {
	args, err := tool.command(ctx, p)
	if err != nil {
		return said{}, err
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	var complaints bounded
	cmd.Stderr = &complaints
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return said{}, err
	}
	if err := cmd.Start(); err != nil {
		return said{}, err
	}
	out, wrong := read(io.LimitReader(stdout, maxOutput), b.counting())
	_, _ = io.Copy(io.Discard, stdout)
	ended := cmd.Wait()
	switch {
	case wrong != nil:
		return out, wrong
	case out.ended:
		return out, nil
	}
	return out, fmt.Errorf("%w: %s", orEnded(ended), clean(lastLine(complaints.String()), maxDetail))
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// inferred gives the results of a sandbox whose plan nobody knows: the layer is
// the first of the table that answers like that.
func (b *Battery) inferred(out said) []battery.Result {
	lines := byID(out.lines)
	var all []battery.Result
	for _, probe := range b.probes() {
		r := battery.Result{ID: probe.ID, Verdict: battery.NotRun, Detail: "the battery ended before it", Inferred: true}
		if line, ok := lines[probe.ID]; ok {
			fill(&r, line, Line{})
		}
		switch r.Verdict {
		case battery.Blocked:
			r.Observed = concluded(r.Errno+r.Signal, probe.Layers, false)
		case battery.Missing:
			r.Observed = battery.Absent
		}
		all = append(all, r)
	}
	return all
}

func versionOf(ctx context.Context, name string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, "--version").Output()
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return clean(strings.TrimSpace(first), maxName)
}

func dockerReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := exec.CommandContext(ctx, "docker", "version", "--format", "{{.Server.Version}}").Run(); err != nil {
		return problem.New("start it: systemctl start docker", "docker has no running dockerd: %w", err)
	}
	return nil
}

func unknownSpec(name string, err error) error {
	return fmt.Errorf("%s spec: %w", name, err)
}

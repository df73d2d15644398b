package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/verify"
	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/battery/predict"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/report"
)

// verifyOptions are the flags of verify.
type verifyOptions struct {
	profile, image string
	profiles       []string // of --vm; profile is the first
	vm             bool
	kernels        []string
	only           []string
	layers         bool
	verbose        bool
	runtimes       []string
	containerd     string // its socket; empty: none
	format, output string
}

const verifyExamples = `  safe-run verify
  safe-run verify --profile web nginx:1.27
  safe-run verify --layers --verbose --profile ./my-app.yaml
  safe-run verify --format html --output report.html
  safe-run verify --runtime runc,podman,bwrap
  safe-run verify --containerd /run/containerd/containerd.sock --profile web
  safe-run verify --vm --kernel 6.1,6.12 --profile web,db --format html --output matrix.html`

// verifyVerb is `verify [IMAGE]`.
func (a *app) verifyVerb() *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use: "verify [flags] [IMAGE]", Short: "attack a sandbox from inside, and say what stopped each attack",
		Long: "start a sandbox as run would, attack it from inside, and say which layer stopped each attack and which " +
			"attacks the profile lets through on purpose. No attack does harm where nothing stops it. Without IMAGE nothing " +
			"but the program that attacks is inside.\n\n" +
			"The exit code is 1 when an attack was let through that the profile does not name under verify.allow, or was " +
			"stopped by another layer than predicted.",
		Example: verifyExamples, DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return badUsage(cmd.CommandPath(), "verify takes one image, and not %q as well", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.image = args[0]
			}
			switch {
			case len(o.profiles) == 0:
				return badUsage(cmd.CommandPath(), "--profile needs a name")
			case !o.vm && len(o.kernels) > 0:
				return badUsage(cmd.CommandPath(), "--kernel is for machines: add --vm")
			case o.containerd != "" && (o.vm || o.layers || o.image != ""):
				return badUsage(cmd.CommandPath(), "--containerd goes with neither --vm, --layers nor an image")
			case !o.vm && len(o.profiles) > 1:
				return badUsage(cmd.CommandPath(), "several profiles at once are attacked in a machine: add --vm, or name one")
			}
			o.profile = o.profiles[0]
			return a.verify(cmd.Context(), cmd.CommandPath(), o)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.profiles, "profile", []string{"default"}, "the profile that is attacked: its name, or a path; with --vm several")
	f.BoolVar(&o.vm, "vm", false, "attack it in a virtual machine, with another kernel")
	f.StringSliceVar(&o.kernels, "kernel", nil, "with --vm: the kernel, by the beginning of its release or by its file; several make a matrix")
	f.StringSliceVar(&o.only, "only", nil, "carry out only these attacks: M01,N04")
	f.BoolVar(&o.layers, "layers", false, "take layers away one at a time, to see how many hold each attack")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show every attack with its evidence")
	f.StringSliceVar(&o.runtimes, "runtime", nil, "attack what other tools start by default, beside safe-run: "+strings.Join(foreignNames(), ", "))
	f.StringVar(&o.containerd, "containerd", "", "attack a container that containerd starts, by its socket; --runtime is one of its runtimes then, "+ourRuntime+" where none is named")
	f.StringVar(&o.format, "format", string(report.Table), "how to write the report: "+strings.Join(report.Formats(), ", "))
	f.StringVarP(&o.output, "output", "o", "", "write the report to a file")
	return cmd
}

// verify runs the battery and writes its report.
func (a *app) verify(ctx context.Context, command string, o verifyOptions) error {
	format, err := report.ParseFormat(o.format)
	if err != nil {
		return usage{err}
	}
	for i, id := range o.only {
		o.only[i] = strings.ToUpper(strings.TrimSpace(id))
		if !slices.ContainsFunc(battery.Probes(), func(p battery.Probe) bool { return p.ID == o.only[i] }) {
			return badUsage(command, "--only: there is no attack %q", id)
		}
	}
	for _, name := range o.runtimes {
		if o.containerd == "" && !slices.Contains(foreignNames(), name) {
			return badUsage(command, "--runtime: there is no %q to compare with; it is one of %s", name, strings.Join(foreignNames(), ", "))
		}
	}
	if os.Geteuid() != 0 {
		return problem.New("sudo "+command, "only root starts sandboxes with a changed plan")
	}
	if err := writable(o.output); err != nil {
		return err
	}
	if o.vm {
		return a.verifyVM(ctx, command, o)
	}
	if o.containerd != "" {
		return a.verifyContainerd(ctx, o, a.look(format, o))
	}
	b, err := a.battery(o)
	if err != nil {
		return err
	}
	progress := a.newProgress()
	b.Progress = progress.tell
	one, err := b.Run(ctx)
	progress.end()
	if err != nil {
		return err
	}
	attacks := report.Attacks{Probes: battery.Probes(), Reports: []battery.Report{*one}}
	others, whole := a.foreign(ctx, b, o)
	attacks.Reports = append(attacks.Reports, others...)
	if err := a.writeReport(attacks, o.output, a.look(format, o)); err != nil {
		if o.output != "" { // a battery's results are not lost with a full disk
			return errors.Join(err, a.writeReport(attacks, "", a.look(format, o)))
		}
		return err
	}
	if err := verdict(*one, ctx.Err()); err != nil || whole {
		return err
	}
	return errNo // what is missing was told
}

// verdict is the answer that the exit code gives: that of our own sandbox.
func verdict(one battery.Report, stopped error) error {
	if stopped != nil {
		return stopped
	}
	if one.Partial != "" || slices.ContainsFunc(one.Results, func(r battery.Result) bool { return r.Wrong != "" }) {
		return errNo
	}
	return nil
}

// battery finds what is needed to attack a profile.
func (a *app) battery(o verifyOptions) (*verify.Battery, error) {
	p, err := policies.Here.Resolve(o.profile)
	if err != nil {
		return nil, err
	}
	b := &verify.Battery{
		Flags: []string{"--profile", o.profile}, Image: o.image, Only: o.only, Layers: o.layers,
		Ledger: ledger.DefaultDir, Table: battery.Probes(), Exceptions: map[string]string{}, Predict: predict.Stops,
	}
	for _, e := range p.Verify.Allow {
		b.Exceptions[e.Probe] = e.Why
	}
	if o.containerd == "" { // which starts everything itself
		if b.Launcher, err = beside("safe-run"); err != nil {
			return nil, err
		}
	}
	if b.Probe, err = beside("safe-run-probe"); err != nil {
		return nil, err
	}
	return b, nil
}

// beside finds a program that is installed with this one, and in PATH otherwise.
func beside(name string) (string, error) {
	self, err := os.Executable()
	if err == nil {
		at := filepath.Join(filepath.Dir(self), name)
		if info, err := os.Stat(at); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return at, nil
		}
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		at := filepath.Join(dir, name)
		if info, err := os.Stat(at); err == nil && filepath.IsAbs(dir) && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return at, nil
		}
	}
	return "", problem.New("install "+name+" beside "+filepath.Base(self), "%s is neither beside %s nor in PATH", name, self)
}

// writable says early that a report could not be written: a battery takes a
// while.
func writable(name string) error {
	if name == "" {
		return nil
	}
	info, err := os.Stat(filepath.Dir(name))
	if err == nil && !info.IsDir() {
		err = errors.New("it is no directory")
	}
	if err == nil {
		if at, err := os.Stat(name); err == nil && at.IsDir() {
			return problem.New("name a file in it", "--output: %s is a directory", name)
		}
		var f *os.File
		if f, err = os.CreateTemp(filepath.Dir(name), ".report-"); err == nil {
			f.Close()
			return os.Remove(f.Name())
		}
	}
	return problem.New("name a file in a directory that is there and can be written to", "--output: %s: %w", filepath.Dir(name), err)
}

// writeReport writes a report to standard output, or puts a file in place whole.
func (a *app) writeReport(d report.Document, name string, look report.Look) error {
	if name == "" {
		return report.Write(a.std.Out, d, look)
	}
	look.Colour = false
	f, err := os.CreateTemp(filepath.Dir(name), ".report-")
	if err == nil {
		defer os.Remove(f.Name())
		err = errors.Join(report.Write(f, d, look), f.Chmod(0o644), f.Close())
		if err == nil {
			err = os.Rename(f.Name(), name)
		}
	}
	if err != nil {
		return problem.New("name a file in a directory that you may write to", "--output: %w", err)
	}
	return nil
}

// look is how a report is written here.
func (a *app) look(format report.Format, o verifyOptions) report.Look {
	look := report.Look{Format: format, Verbose: o.verbose, Version: version()}
	look.Colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(a.std.Out)
	return look
}

// progress tells a person at a terminal what is being done, on one line, and
// everybody else what is begun, on a line each.
type progress struct {
	app  *app
	live bool
	head string
}

func (a *app) newProgress() *progress { return &progress{app: a, live: isTerminal(a.std.Err)} }

func (p *progress) tell(what string) {
	isProbe := len(what) == 3 && what[0] < 'a'
	switch {
	case p.live && isProbe:
		fmt.Fprintf(p.app.std.Err, "\r\033[K%s: %s", p.head, what)
	case p.live:
		p.head = what
		fmt.Fprintf(p.app.std.Err, "\r\033[K%s", what)
	case !isProbe:
		fmt.Fprintf(p.app.std.Err, "safe-run: %s\n", what)
	}
}

func (p *progress) end() {
	if p.live {
		fmt.Fprint(p.app.std.Err, "\r\033[K")
	}
}

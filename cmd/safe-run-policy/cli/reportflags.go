package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/safe-run/safe-run/spec/audit"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/report"
	"github.com/safe-run/safe-run/spec/severity"
)

// reportFlags are those of verbs that judge: how the report is written, and what
// fails.
type reportFlags struct {
	format, output, failOn string
	verbose                bool
}

func (o *reportFlags) addTo(cmd *cobra.Command, failOn string) {
	f := cmd.Flags()
	f.StringVar(&o.format, "format", string(report.Table), "how the report is written: "+strings.Join(report.Formats(), ", "))
	f.StringVarP(&o.output, "output", "o", "-", "a file for the report, or - for standard output")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show what holds, and what cannot be told, too")
	f.StringVar(&o.failOn, "fail-on", failOn, "the lowest severity that fails: none, info, low, medium, high or critical")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(report.Formats(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions([]string{"none", "info", "low", "medium", "high", "critical"}, cobra.ShellCompDirectiveNoFileComp))
}

// check reads the flags before anything is looked at.
func (o *reportFlags) check() (report.Format, severity.Severity, error) {
	format, err := report.ParseFormat(o.format)
	if err != nil {
		return "", 0, usage{problem.New(problem.HintOf(err), "--format: %w", err)}
	}
	least, err := severity.Parse(o.failOn)
	if err != nil {
		return "", 0, usage{problem.New(problem.HintOf(err), "--fail-on: %w", err)}
	}
	return format, least, nil
}

// judged writes the findings, and says by the exit code whether they fail.
func (a *app) judged(o *reportFlags, f report.Findings) error {
	format, least, err := o.check()
	if err != nil {
		return err
	}
	look := report.Look{Format: format, Verbose: o.verbose, Version: o.version()}
	if o.output == "-" || o.output == "" {
		if out, ok := a.std.Out.(*os.File); ok && term.IsTerminal(int(out.Fd())) {
			look.Colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
			look.Width, _, _ = term.GetSize(int(out.Fd()))
		}
		err = report.Write(a.std.Out, f, look)
	} else {
		err = o.toFile(f, look)
	}
	if err != nil {
		return err
	}
	if least > severity.None && slices.ContainsFunc(f.Findings, func(one audit.Finding) bool { return one.Verdict == audit.Violated && one.Severity >= least }) {
		return errNo
	}
	return nil
}

// toFile writes the report beside its place, and renames it when it is whole: an
// older report stays until then.
func (o *reportFlags) toFile(d report.Document, look report.Look) error {
	var out bytes.Buffer
	if err := report.Write(&out, d, look); err != nil {
		return err
	}
	const hint = "name a file in a directory that you may write to, or - for standard output"
	if info, err := os.Stat(o.output); err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return problem.New("name a file in it", "--output: %s is a directory", o.output)
		}
		if err := os.WriteFile(o.output, out.Bytes(), 0o644); err != nil {
			return problem.New(hint, "--output: %w", err)
		}
		return nil
	}
	temp, err := os.CreateTemp(filepath.Dir(o.output), ".report-*")
	if err != nil {
		return problem.New(hint, "--output: %w", err)
	}
	defer os.Remove(temp.Name()) // when it is in place it has no such name any more
	_, err = temp.Write(out.Bytes())
	for _, step := range []func() error{func() error { return temp.Chmod(0o644) }, temp.Sync, temp.Close, func() error { return os.Rename(temp.Name(), o.output) }} {
		if next := step(); err == nil {
			err = next
		}
	}
	if err != nil {
		return problem.New(hint, "--output: %w", err)
	}
	return nil
}

// version is the program's, as far as the build knows it.
func (o *reportFlags) version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "development"
	}
	return info.Main.Version
}

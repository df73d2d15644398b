package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/sandbox/vm"
	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/report"
)

// guestBin is where a machine has the programs.
const guestBin = "/usr/local/bin/"

// guestPrograms are those that a battery takes.
var guestPrograms = []string{"safe-run", "safe-run-image", "safe-run-probe"}

// verifyVM attacks each profile in a machine with each kernel.
func (a *app) verifyVM(ctx context.Context, command string, o verifyOptions) error {
	if runtime.GOARCH != "amd64" {
		return problem.New("run it without --vm", "machines are for amd64, and this is %s", runtime.GOARCH)
	}
	if len(o.runtimes) > 0 {
		return badUsage(command, "--runtime: a machine has safe-run alone")
	}
	kernels, err := findKernels(o.kernels)
	if err != nil {
		return err
	}
	attacks := report.Attacks{Probes: battery.Probes()}
	var wrong error
	got := 0
	for _, kernel := range kernels {
		reports, err := a.inMachine(ctx, kernel, o)
		got += len(reports)
		attacks.Reports = append(attacks.Reports, reports...)
		attacks.Reports = append(attacks.Reports, missing(kernel, o.profiles, reports, err)...)
		wrong = errors.Join(wrong, err)
	}
	if got == 0 {
		return wrong
	}
	format, err := report.ParseFormat(o.format)
	if err != nil {
		return usage{err}
	}
	if err := a.writeReport(attacks, o.output, a.look(format, o)); err != nil {
		return errors.Join(wrong, err)
	}
	for _, one := range attacks.Reports {
		if err := verdict(one, ctx.Err()); wrong == nil {
			wrong = err
		}
	}
	return wrong
}

// missing stands in for the reports that a machine did not come to: none is left
// out of a matrix unseen. The guest gives its reports in the order of the profiles.
func missing(kernel vm.Kernel, names []string, reports []battery.Report, err error) []battery.Report {
	why := "its machine said nothing of it"
	if err != nil {
		why = firstLineOf(err.Error())
	}
	var out []battery.Report
	for _, name := range names[min(len(reports), len(names)):] {
		out = append(out, battery.Report{Profile: name, Runtime: throughLauncher, Kernel: kernel.Release, Where: inVM, Results: []battery.Result{}, Partial: why})
	}
	return out
}

// inVM is where a report of a machine comes from.
const inVM = "vm"

func firstLineOf(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// findKernels are those that were named, else the one that there is.
func findKernels(names []string) ([]vm.Kernel, error) {
	if len(names) == 0 {
		names = []string{""}
	}
	var all []vm.Kernel
	for _, name := range names {
		kernel, err := vm.Find(name)
		if err != nil {
			return nil, err
		}
		all = append(all, kernel)
	}
	return all, nil
}

// inMachine attacks all profiles in one machine. Those that were done when it
// failed are given with the error.
func (a *app) inMachine(ctx context.Context, kernel vm.Kernel, o verifyOptions) (reports []battery.Report, err error) {
	dir, err := os.MkdirTemp("", "safe-run-verify")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	m := vm.Machine{Kernel: kernel, Modules: vm.Product, Files: map[string]string{}}
	if m.Init, err = os.Executable(); err != nil {
		return nil, err
	}
	m.Files[guestBin+Name] = m.Init
	for _, name := range guestPrograms {
		if m.Files[guestBin+name], err = beside(name); err != nil {
			return nil, err
		}
	}
	m.Args = []string{guestBin + Name, "vm-verify"}
	for i, name := range o.profiles {
		path, err := flattened(name, dir)
		if err != nil {
			return nil, err
		}
		at := fmt.Sprintf("/profiles/%d.yaml", i)
		m.Files[at] = path
		m.Args = append(m.Args, "--profile", at)
	}
	if o.layers {
		m.Args = append(m.Args, "--layers")
	}
	if len(o.only) > 0 {
		m.Args = append(m.Args, "--only", strings.Join(o.only, ","))
	}
	image, err := imageFor(o.image, m.Files)
	if err != nil {
		return nil, err
	}
	m.Args = append(m.Args, image...)
	return a.runMachine(ctx, m)
}

// flattened writes a profile with all that it extends into one file.
func flattened(name, dir string) (string, error) {
	p, err := policies.Here.Resolve(name)
	if err != nil {
		return "", err
	}
	p.Extends = nil
	data, err := profiles.Encode(p)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, p.Metadata.Name+".yaml")
	return path, os.WriteFile(path, data, 0o644)
}

// imageFor puts the image into the machine and gives its name there. What is not
// a file or a directory would have to be fetched, and a machine has no network.
func imageFor(image string, files map[string]string) ([]string, error) {
	if image == "" {
		return nil, nil
	}
	transport, path, found := strings.Cut(image, ":")
	if !found || strings.HasPrefix(image, "./") || strings.HasPrefix(image, "/") {
		transport, path = "", image
	}
	switch transport {
	case "", "dir", "oci", "oci-archive", "docker-archive":
	default:
		return nil, problem.New("safe-run image save --to oci-archive:FILE "+image+", then name oci-archive:FILE",
			"%s: a machine has no network, and takes an image from a file or a directory", image)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, problem.New("name a directory, an archive or a static program that is there", "image %s: %w", image, err)
	}
	const at = "/image"
	files[at] = path
	if transport == "" {
		return []string{at}, nil
	}
	return []string{transport + ":" + at}, nil
}

// runMachine starts the machine and reads the reports that come out of it.
func (a *app) runMachine(ctx context.Context, m vm.Machine) ([]battery.Report, error) {
	progress := a.newProgress()
	defer progress.end()
	progress.tell("a machine with Linux " + m.Kernel.Release)
	var reports []battery.Report
	var wrong error
	m.Line = func(line string) {
		if what, is := strings.CutPrefix(line, guestTells); is {
			progress.tell("Linux " + m.Kernel.Release + ": " + printable(what))
			return
		}
		var one battery.Report
		if err := json.Unmarshal([]byte(line), &one); err != nil || len(one.Results) > 2*len(battery.Probes()) {
			wrong = problem.New("", "the machine said %q, which is no report", printable(line[:min(len(line), 200)]))
			return
		}
		one.Where = inVM
		reports = append(reports, one)
	}
	m.Again = func(why string) bool {
		progress.end()
		// An attack that got through may be what the kernel died of.
		if slices.ContainsFunc(reports, func(r battery.Report) bool { return verdict(r, nil) != nil }) {
			return false
		}
		fmt.Fprintf(a.std.Err, "NOTE: Linux %s: %s; the machine is emulated, and is started once more\n", m.Kernel.Release, printable(why))
		reports, wrong = nil, nil
		return true
	}
	m.Keep = failedMachine()
	out, err := m.Run(ctx)
	progress.end()
	var failure *vm.Failure
	switch {
	case errors.As(err, &failure):
		return reports, a.machineFailed(m.Kernel, failure)
	case err != nil:
		return reports, err
	case out.Code != 0:
		return reports, errors.Join(wrong, problem.New("run it with --verbose and without --vm", "Linux %s: the battery ended with exit code %d", m.Kernel.Release, out.Code))
	}
	return reports, wrong
}

// failedMachine is where the files of the last machine that failed stay.
func failedMachine() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "" // without a home they are not kept
	}
	return filepath.Join(dir, "safe-run", "failed-machine")
}

// machineFailed shows the end of the console, and gives the error to tell: a line,
// and how to start the machine again.
func (a *app) machineFailed(kernel vm.Kernel, failure *vm.Failure) error {
	fmt.Fprintf(a.std.Err, "the end of the console of Linux %s:\n", kernel.Release)
	for line := range strings.Lines(failure.Console) {
		fmt.Fprintf(a.std.Err, "  %s\n", printable(strings.TrimRight(line, "\r\n")))
	}
	hint := "run it by hand: " + failure.Command
	if failure.Kept != "" {
		hint = "its console and its disk are in " + failure.Kept + "; " + hint
	}
	return problem.New(hint, "Linux %s: %w", kernel.Release, failure)
}

// guestTells begins a line of progress; every other line is a report.
const guestTells = "# "

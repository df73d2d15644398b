package cli

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// The formats of seccomp show beside table and json.
const (
	formatOCI format = "oci"
	formatBPF format = "bpf"
	formatRaw format = "raw"
)

// shownFilter is the JSON form of seccomp show.
type shownFilter struct {
	Profile  string      `json:"profile"`
	Arch     string      `json:"arch"`
	Families []string    `json:"addressFamilies"`
	Allowed  []shownCall `json:"allowed"`
	// Refused fail with EPERM; all others fail with ENOSYS.
	Refused []string `json:"refused"`
}

type shownCall struct {
	Name   string   `json:"name"`
	Number int      `json:"number"`
	By     []string `json:"by"`
	// Arguments says what is asked of them; empty where they are not looked at.
	Arguments string `json:"arguments,omitempty"`
}

// seccompShowVerb is `safe-run seccomp show PROFILE`.
func (a *app) seccompShowVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show [--arch ARCH] [--format FORMAT] PROFILE|FILE", Short: "print what a profile's filter lets through",
		Long: "print the system calls that a profile's filter lets through, within the administrator's floor, and the " +
			"entries of the profile that allow them; " + launcherName + " is what the launcher itself needs between loading the filter and " +
			"running the program.\n\n" +
			"--format oci prints the filter as the seccomp object of the OCI runtime spec, which is also what docker run " +
			"--security-opt seccomp=FILE, podman and Kubernetes (localhostProfile) read; --format bpf prints the compiled " +
			"program instruction by instruction, and --format raw its bytes, an array of struct sock_filter.",
		Example:               "  safe-run seccomp show web\n  safe-run seccomp show --format oci ./app.yaml > app-seccomp.json\n  safe-run seccomp show --format bpf --arch arm64 batch",
		Args:                  arguments(1, 1, "PROFILE"),
		ValidArgsFunction:     completeProfiles(1),
		Annotations:           map[string]string{formatsKey: "oci bpf raw"},
		DisableFlagsInUseLine: true,
	}
	arch := archFlag(cmd)
	reporting := cmd.Flags().Bool("reporting", false, "with oci, bpf and raw, print it as the launcher loads it: what is refused is reported, and the launcher refuses it")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		policy, err := filterOf(args[0], *arch)
		if err != nil {
			return err
		}
		switch a.format {
		case formatJSON:
			return writeJSON(a.std.Out, showFilter(args[0], policy))
		case formatTable:
			return a.writeFilter(showFilter(args[0], policy))
		}
		return a.writeRendered(policy, *reporting)
	}
	return cmd
}

func showFilter(profile string, p seccomp.Policy) shownFilter {
	out := shownFilter{Profile: profile, Arch: p.Arch, Families: orEmpty(p.Families), Refused: orEmpty(seccomp.Refused(p))}
	for _, name := range seccomp.Allowed(p) {
		n, _ := seccomp.Number(p.Arch, name)
		out.Allowed = append(out.Allowed, shownCall{name, n, allowedBy(p, name), seccomp.Rule(p, name)})
	}
	return out
}

func (a *app) writeFilter(f shownFilter) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s allows %d system calls of %s; Docker allows %d\n", printable(f.Profile), len(f.Allowed), f.Arch, len(seccomp.DockerAllowed(f.Arch)))
	fmt.Fprintf(&text, "address families: %s\n", orDash(strings.Join(f.Families, " ")))
	fmt.Fprintf(&text, "%d more fail with EPERM, all others with ENOSYS; one of another architecture kills the process\n\n", len(f.Refused))
	t := table{head: []string{"SYSTEM CALL", "NUMBER", "ALLOWED BY", "FOR", "ARGUMENTS"}}
	for _, c := range f.Allowed {
		about, _ := seccomp.Describe(c.Name)
		t.add(c.Name, fmt.Sprint(c.Number), strings.Join(c.By, " "), about.Purpose, c.Arguments)
	}
	_ = t.write(&text, width(a.std.Out), paletteFor(a.std.Out)) // a bytes.Buffer takes everything
	_, err := text.WriteTo(a.std.Out)
	return err
}

// writeRendered prints the filter as others read it.
func (a *app) writeRendered(p seccomp.Policy, reporting bool) error {
	oci, err := seccomp.Render(p)
	if err != nil {
		return err
	}
	if reporting {
		oci, _ = seccomp.Notified(oci)
	}
	if a.format == formatOCI {
		return writeJSON(a.std.Out, oci)
	}
	program, err := runc.CompileFilter(oci)
	if err != nil {
		return err
	}
	if a.format == formatRaw {
		_, err = a.std.Out.Write(seccomp.Bytes(program))
		return err
	}
	_, err = a.std.Out.WriteString(seccomp.Disassemble(p.Arch, program))
	return err
}

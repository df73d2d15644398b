package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/spec/seccomp"
)

// filterDiff is the JSON form of seccomp diff.
type filterDiff struct {
	A    filterSide `json:"a"`
	B    filterSide `json:"b"`
	Arch string     `json:"arch"`
	// Arguments are calls that both allow and look at differently.
	Arguments []argumentDiff `json:"arguments"`
}

// filterSide is what one of two filters allows beyond the other.
type filterSide struct {
	Name     string   `json:"name"`
	Allowed  int      `json:"allowed"`
	Only     []string `json:"only"`
	Families []string `json:"onlyAddressFamilies"`

	calls, families []string
	rule            func(name string) string
}

type argumentDiff struct {
	Name string `json:"name"`
	A    string `json:"a,omitempty"`
	B    string `json:"b,omitempty"`
}

// seccompDiffVerb is `safe-run seccomp diff A B`.
func (a *app) seccompDiffVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "diff [--arch ARCH] A B", Short: "show which system calls B's filter lets through and A's does not",
		Long: "show how the system call filter of profile B differs from that of profile A. docker means Docker's own default " +
			"filter, with the capabilities that Docker gives. ! marks what B allows beyond A; dangerous calls say why they are.",
		Example:               "  safe-run seccomp diff docker web\n  safe-run seccomp diff default ./app.yaml",
		Args:                  arguments(2, 2, "A B"),
		ValidArgsFunction:     completeProfiles(2),
		DisableFlagsInUseLine: true,
	}
	arch := archFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		d := filterDiff{Arch: *arch, Arguments: []argumentDiff{}}
		var err error
		if d.A, err = filterSideOf(args[0], *arch); err != nil {
			return err
		}
		if d.B, err = filterSideOf(args[1], *arch); err != nil {
			return err
		}
		d.compare()
		if a.format == formatJSON {
			return writeJSON(a.std.Out, d)
		}
		return a.writeFilterDiff(d)
	}
	return cmd
}

// filterSideOf is what a profile's filter allows, or Docker's.
func filterSideOf(name, arch string) (filterSide, error) {
	if name == dockerName {
		side := filterSide{Name: "Docker's filter", calls: seccomp.DockerAllowed(arch), rule: seccomp.DockerRule}
		for _, family := range seccomp.FamilyNames() {
			if family != "AF_ALG" && family != "AF_VSOCK" {
				side.families = append(side.families, family)
			}
		}
		return side, nil
	}
	p, err := filterOf(name, arch)
	return filterSide{
		Name: name, calls: seccomp.Allowed(p), families: p.Families,
		rule: func(call string) string { return seccomp.Rule(p, call) },
	}, err
}

func (d *filterDiff) compare() {
	a, b := &d.A, &d.B
	a.Allowed, b.Allowed = len(a.calls), len(b.calls)
	a.Only, b.Only = without(a.calls, b.calls), without(b.calls, a.calls)
	a.Families, b.Families = without(a.families, b.families), without(b.families, a.families)
	for _, name := range a.calls {
		// What is asked of socket is compared as families.
		if x, y := a.rule(name), b.rule(name); slices.Contains(b.calls, name) && x != y && name != "socket" {
			d.Arguments = append(d.Arguments, argumentDiff{name, x, y})
		}
	}
}

// without is what of a list is not in another.
func without(list, other []string) []string {
	return orEmpty(slices.DeleteFunc(slices.Clone(list), func(name string) bool { return slices.Contains(other, name) }))
}

func (a *app) writeFilterDiff(d filterDiff) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s allows %d system calls of %s, %s %d\n", printable(d.A.Name), d.A.Allowed, d.Arch, printable(d.B.Name), d.B.Allowed)
	t := table{head: []string{" ", "ONLY IN", "SYSTEM CALL", "FOR", "RISK"}}
	add := func(mark string, side filterSide) {
		for _, name := range side.Only {
			about, _ := seccomp.Describe(name)
			t.add(mark, side.Name, name, about.Purpose, about.Risk)
		}
		if len(side.Families) > 0 {
			t.add(mark, side.Name, "socket", "address families: "+strings.Join(side.Families, " "), "")
		}
	}
	add("!", d.B)
	add("", d.A)
	for _, arg := range d.Arguments {
		t.add("", "both", arg.Name, "arguments: "+orAny(arg.A)+" in "+d.A.Name+", "+orAny(arg.B)+" in "+d.B.Name, "")
	}
	if len(t.rows) > 0 {
		p := paletteFor(a.std.Out)
		t.paint = func(row, column int, text string) string {
			if t.rows[row][0] == "!" && column < 3 {
				return p.yellow(text)
			}
			return text
		}
		fmt.Fprintln(&text)
		_ = t.write(&text, width(a.std.Out), p) // a bytes.Buffer takes everything
	}
	_, err := text.WriteTo(a.std.Out)
	return err
}

func orAny(rule string) string {
	if rule == "" {
		return "any"
	}
	return rule
}

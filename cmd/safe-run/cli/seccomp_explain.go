package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// explainedCall is the JSON form of one word of seccomp explain.
type explainedCall struct {
	Name    string         `json:"name"`
	For     string         `json:"for"`
	Numbers map[string]int `json:"numbers,omitempty"`
	Since   string         `json:"since,omitempty"` // of Linux
	Denied  string         `json:"denied,omitempty"`
	Risk    string         `json:"risk,omitempty"`
	Rule    string         `json:"arguments,omitempty"`
	Groups  []string       `json:"groups,omitempty"`
	Allowed []string       `json:"allowedBy"` // built-in profiles
	Docker  bool           `json:"docker"`
	Never   bool           `json:"never,omitempty"` // no profile can allow it
	Sets    []seccomp.Set  `json:"sets,omitempty"`  // of a group
}

// seccompExplainVerb is `safe-run seccomp explain SYSCALL`.
func (a *app) seccompExplainVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "explain [--arch ARCH] SYSCALL|NUMBER|@GROUP...", Short: "say what a system call is for and who allows it",
		Long: "say of each system call what it is for, its number and the kernel that first had it, which groups and built-in " +
			"profiles allow it, what is asked of its arguments, the risk of allowing it, what a program gets that may not make " +
			"it, and the lines of a profile that allow it. Of a group, what is in it and why.",
		Example:               "  safe-run seccomp explain ptrace\n  safe-run seccomp explain 319 @ipc\n  safe-run seccomp explain --format json socket",
		Args:                  arguments(1, -1, "SYSCALL"),
		ValidArgsFunction:     completeCalls,
		DisableFlagsInUseLine: true,
	}
	arch := archFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		all := []explainedCall{}
		for _, word := range args {
			one, err := explainCall(word, *arch)
			if err != nil {
				return err
			}
			all = append(all, one)
		}
		if a.format == formatJSON {
			return writeJSON(a.std.Out, all)
		}
		return a.writeExplained(all, *arch)
	}
	return cmd
}

func resolveBuiltin(name string) (profiles.Profile, error) {
	return profiles.Resolve(name, builtin.Finder{})
}

func explainCall(word, arch string) (explainedCall, error) {
	if n, err := strconv.Atoi(word); err == nil {
		i := slices.IndexFunc(seccomp.AllNames(), func(name string) bool {
			have, ok := seccomp.Number(arch, name)
			return ok && have == n
		})
		if i < 0 {
			return explainedCall{}, unknownCall(word)
		}
		word = seccomp.AllNames()[i]
	}
	if seccomp.IsGroup(word) {
		return explainGroup(word)
	}
	d, ok := seccomp.Describe(word)
	if !ok {
		return explainedCall{}, unknownCall(word)
	}
	out := explainedCall{
		Name: d.Name, For: d.Purpose, Since: d.Since, Denied: d.Answer, Risk: d.Risk, Rule: d.Rule, Groups: d.Groups, Never: d.Never,
		Numbers: map[string]int{},
	}
	for _, a := range []string{"amd64", "arm64"} {
		if n, ok := seccomp.Number(a, word); ok {
			out.Numbers[a] = n
			out.Docker = out.Docker || a == arch && slices.Contains(seccomp.DockerAllowed(a), word)
		}
	}
	var err error
	out.Allowed, err = builtinsAllowing(word, arch)
	out.Allowed = orEmpty(out.Allowed)
	return out, err
}

func explainGroup(name string) (explainedCall, error) {
	out := explainedCall{Name: name, For: seccomp.GroupWhy(name), Sets: seccomp.GroupSets(name), Allowed: []string{}}
	for _, profile := range builtin.Names() {
		p, err := resolveBuiltin(profile)
		if err != nil {
			return out, err
		}
		if slices.ContainsFunc(p.Seccomp.Allow, func(s profiles.Syscall) bool { return s.Name == name }) {
			out.Allowed = append(out.Allowed, profile)
		}
	}
	return out, nil
}

func (a *app) writeExplained(all []explainedCall, arch string) error {
	var text bytes.Buffer
	p := paletteFor(a.std.Out)
	for i, c := range all {
		if i > 0 {
			fmt.Fprintln(&text)
		}
		t := table{head: []string{c.Name, c.For}}
		for _, set := range c.Sets {
			t.add(set.Why, strings.Join(set.Names, " "))
		}
		if c.Sets == nil {
			c.rows(&t, arch)
		}
		t.add("allowed by", orNobody(c.Allowed))
		if !c.Never {
			t.add("to allow", "seccomp: {allow: [{name: "+strconv.Quote(c.Name)+", why: ...}]}")
		}
		_ = t.write(&text, width(a.std.Out), p) // a bytes.Buffer takes everything
	}
	_, err := text.WriteTo(a.std.Out)
	return err
}

// rows tells of a call what a group does not have.
func (c explainedCall) rows(t *table, arch string) {
	number := "none on " + arch
	if n, ok := c.Numbers[arch]; ok {
		number = fmt.Sprintf("%d on %s", n, arch)
	}
	since := "since Linux " + c.Since
	if c.Since == "" {
		since = "never made"
	}
	t.add("number", number+"; "+since)
	if c.Risk != "" {
		t.add("risk", c.Risk)
	}
	if c.Rule != "" {
		t.add("arguments", c.Rule)
	}
	denied := "EPERM: the answer of a kernel to one without the privilege"
	if c.Denied == "ENOSYS" {
		denied = "ENOSYS: as if the kernel did not have it, so that a C library falls back where it can"
	}
	t.add("when denied", denied)
	t.add("in groups", orDash(strings.Join(c.Groups, " ")))
	docker := "denies it"
	if c.Docker {
		docker = "allows it"
		if rule := seccomp.DockerRule(c.Name); rule != "" {
			docker += ": " + rule
		}
	}
	t.add("Docker", docker)
}

func orNobody(profiles []string) string {
	if len(profiles) == 0 {
		return "no built-in profile"
	}
	return strings.Join(profiles, " ")
}

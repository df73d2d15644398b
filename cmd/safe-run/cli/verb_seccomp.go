package cli

import (
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/profiles/builtin"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// seccompVerb is `safe-run seccomp`, which has verbs of its own.
func (a *app) seccompVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "seccomp VERB", Short: "show, compare and explain system call filters", GroupID: groupLook,
		Long: "show what a profile's system call filter lets through, compare it with another's or with Docker's own, " +
			"and explain single system calls: what they are for, who allows them, and what a program gets that may not make them.",
		Example:               "  safe-run seccomp show web\n  safe-run seccomp diff docker web\n  safe-run seccomp explain ptrace io_uring_setup @net-client",
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noVerb(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(a.seccompShowVerb(), a.seccompDiffVerb(), a.seccompExplainVerb())
	return cmd
}

// archFlag adds --arch.
func archFlag(cmd *cobra.Command) *string {
	arch := cmd.Flags().String("arch", runtime.GOARCH, "the architecture to look at")
	cmd.Flags().Lookup("arch").Annotations = map[string][]string{argKey: {"amd64|arm64"}}
	_ = cmd.RegisterFlagCompletionFunc("arch", cobra.FixedCompletions([]string{"amd64", "arm64"}, cobra.ShellCompDirectiveNoFileComp))
	return arch
}

// dockerName means Docker's own filter where a profile is named.
const dockerName = "docker"

// filterOf is the system call policy of a profile within the floor, with the
// names in it that give each call.
func filterOf(name, arch string) (seccomp.Policy, error) {
	p, err := resolvePolicy(runOptions{Profile: name})
	if err != nil {
		return seccomp.Policy{}, err
	}
	policy := spec.SeccompPolicy(p, arch)
	// What cannot be rendered cannot be shown.
	if _, err := seccomp.Render(policy); err != nil {
		return policy, problem.New("correct seccomp: in the profile, or write --arch amd64 or --arch arm64", "profile %s: %w", name, err)
	}
	return policy, nil
}

// launcherName is what allows a call when no entry of the profile does.
const launcherName = "(launcher)"

// allowedBy names the entries of a policy that allow a call.
func allowedBy(p seccomp.Policy, name string) []string {
	var by []string
	for _, entry := range p.Allow {
		if slices.Contains(seccomp.Expand([]string{entry}), name) && !slices.Contains(by, entry) {
			by = append(by, entry)
		}
	}
	if len(by) == 0 && slices.Contains(seccomp.Launcher(p), name) {
		by = append(by, launcherName)
	}
	return by
}

// builtinsAllowing names the built-in profiles that allow a call, with the
// entry that does.
func builtinsAllowing(name, arch string) ([]string, error) {
	var out []string
	for _, profile := range builtin.Names() {
		p, err := resolveBuiltin(profile)
		if err != nil {
			return nil, err
		}
		if by := allowedBy(spec.SeccompPolicy(p, arch), name); len(by) > 0 && by[0] != launcherName {
			out = append(out, profile)
		}
	}
	return out, nil
}

// unknownCall is the error of a word that is neither call nor group.
func unknownCall(word string) error {
	hint := "write a name of syscalls(2), its number, or a group: " + strings.Join(seccomp.GroupNames(), ", ")
	near := nearest(word, append(seccomp.GroupNames(), seccomp.Names()...))
	if near == "" && !strings.HasPrefix(word, "@") {
		near = nearest("@"+word, seccomp.GroupNames())
	}
	if near != "" {
		hint = "did you mean " + near + "?"
	}
	return problem.New(hint, "there is no system call and no group %q", word)
}

// completeCalls completes system calls and groups.
func completeCalls(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return append(seccomp.GroupNames(), seccomp.Names()...), cobra.ShellCompDirectiveNoFileComp
}

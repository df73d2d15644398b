package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/spec/problem"
)

var shells = []string{"bash", "zsh", "fish", "powershell"}

// completionVerb is `safe-run completion SHELL`.
func (a *app) completionVerb() *cobra.Command {
	return &cobra.Command{
		Use: "completion " + strings.Join(shells, "|"), Short: "print a shell's completion script", GroupID: groupDetails,
		Long:              "print a shell's completion script. That of bash needs the package bash-completion.",
		Example:           "  source <(safe-run completion bash)\n  safe-run completion zsh > \"${fpath[1]}/_safe-run\"\n  safe-run completion fish | source",
		Args:              arguments(1, 1, "SHELL"),
		ValidArgsFunction: cobra.FixedCompletions(shells, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			script, err := completionScript(cmd.Root(), args[0])
			if err != nil {
				return err
			}
			if a.format == formatJSON {
				return writeJSON(a.std.Out, map[string]string{"shell": args[0], "script": script})
			}
			_, err = fmt.Fprint(a.std.Out, script)
			return err
		},
	}
}

func completionScript(root *cobra.Command, shell string) (string, error) {
	var b strings.Builder
	var err error
	switch shell {
	case "bash":
		err = root.GenBashCompletionV2(&b, true)
	case "zsh":
		err = root.GenZshCompletion(&b)
	case "fish":
		err = root.GenFishCompletion(&b, true)
	case "powershell":
		err = root.GenPowerShellCompletionWithDesc(&b)
	default:
		err = usageError(problem.New("shells are "+strings.Join(shells, ", "), "there is no completion for %q", shell))
	}
	return b.String(), err
}

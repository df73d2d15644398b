package cli

import (
	"github.com/spf13/cobra"
)

// profileVerb is `safe-run profile`, which has verbs of its own.
func (a *app) profileVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "profile VERB", Short: "list, show, check and compare profiles", GroupID: groupLook,
		Long: "list, show, check and compare profiles. A profile is found by its name among the built-in ones, in " +
			"~/.config/safe-run/profiles and in /etc/safe-run/profiles, or by a path such as ./app.yaml. " +
			"No profile and no flag gets below /etc/safe-run/floor.yaml.",
		Example:               "  safe-run profile ls\n  safe-run profile show --resolved web\n  safe-run profile check ./app.yaml\n  safe-run profile diff web ./app.yaml",
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noVerb(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(a.profileLsVerb(), a.profileShowVerb(), a.profileCheckVerb(), a.profileDiffVerb(), a.profileAllowVerb(), a.profileSchemaVerb())
	return cmd
}

// completeProfiles completes up to most names of profiles, and paths.
func completeProfiles(most int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return profileNames(), cobra.ShellCompDirectiveDefault
	}
}

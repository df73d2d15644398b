package cli

import (
	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/profiles"
)

// profileSchemaVerb is `safe-run profile schema`.
func (a *app) profileSchemaVerb() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "print the JSON Schema of profiles, for editors",
		Long: "print the JSON Schema of profiles. An editor with the YAML language server completes and checks profiles with it: " +
			"begin them with the line  # yaml-language-server: $schema=FILE",
		Example: "  safe-run profile schema > ~/.config/safe-run/profile.schema.json",
		Args:    arguments(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			_, err := a.std.Out.Write(profiles.Schema())
			return err
		},
	}
}

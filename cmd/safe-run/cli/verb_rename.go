package cli

import (
	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/state"
)

// renameVerb is `safe-run rename NAME NEW`.
func (a *app) renameVerb() *cobra.Command {
	return &cobra.Command{
		Use: "rename NAME|ID NEW", Short: "give a container another name", GroupID: groupManage,
		Long:    "give a container another name, whether it runs or not. One in the foreground keeps its own.",
		Example: "  safe-run rename site old-site",
		Args:    arguments(2, 2, "NAME NEW"), DisableFlagsInUseLine: true,
		ValidArgsFunction: completeRunning,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := sandbox.Rename(state.DefaultRoot, args[0], args[1]); err != nil {
				return asRoot(err)
			}
			if a.format == formatJSON {
				return writeJSON(a.std.Out, map[string]string{"renamed": args[0], "name": args[1]})
			}
			return nil
		},
	}
}

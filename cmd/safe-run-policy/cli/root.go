// Package cli is the command line of safe-run-policy: one file a verb, flags,
// output and hints.
package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"
)

// Name is the program's.
const Name = "safe-run-policy"

// throughLauncher is what the program is called when safe-run hands a command
// line over to it: `safe-run VERB` is `safe-run-policy VERB`.
const throughLauncher = "safe-run"

// IO is where a command reads from and writes to.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
}

// app is one invocation.
type app struct {
	std IO
	// name is what the program was called as.
	name string
}

// Main runs a command line, with the program's name in front, and gives the exit
// code.
func Main(ctx context.Context, args []string, std IO) int {
	a := &app{std: std, name: Name}
	if len(args) > 0 && args[0] == throughLauncher {
		a.name = throughLauncher
	}
	root := a.root()
	root.SetArgs(args[min(1, len(args)):])
	return a.report(root.ExecuteContext(ctx))
}

// root builds the tree of verbs.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           Name,
		Short:         "say what a policy is worth, and carry it elsewhere",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: a.name},
		SilenceErrors: true,
		SilenceUsage:  true,
		// One letter: what is near must be near.
		SuggestionsMinimumDistance: 1,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return a.noVerb(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(a.std.In)
	root.SetOut(a.std.Out)
	root.SetErr(a.std.Err)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return badUsage(cmd.CommandPath(), "%w", err) })
	root.AddCommand(a.verbs()...)
	return root
}

// Root is the tree of verbs with nothing to run, for the man pages.
func Root() *cobra.Command { return (&app{name: Name}).root() }

// Package cli is the command line of safe-run-image: one file a verb, flags,
// output and hints.
package cli

import (
	"context"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/pull"
)

// throughLauncher is what the program is called when safe-run hands a command
// line over to it.
const throughLauncher = "safe-run image"

// IO is where a command reads from and writes to.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
}

// app is one invocation.
type app struct {
	std IO
	// name is what the program was called as.
	name   string
	format format
	store  string
	trust  string // spec.Trust in JSON
	quiet  bool
}

// Main runs a command line, with the program's name in front, and gives the
// exit code.
func Main(ctx context.Context, args []string, std IO) int {
	a := &app{std: std, name: image.Fetcher, format: formatTable}
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
		Use:           image.Fetcher,
		Short:         "find, check, unpack and look after images for safe-run",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: a.name},
		SilenceErrors: true,
		SilenceUsage:  true,
		// One letter: rm is not what run means.
		SuggestionsMinimumDistance: 1,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return a.noVerb(cmd, args[0])
			}
			return nil
		},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: a.begin,
	}
	root.SetIn(a.std.In)
	root.SetOut(a.std.Out)
	root.SetErr(a.std.Err)
	root.CompletionOptions.HiddenDefaultCmd = true
	flags := root.PersistentFlags()
	flags.Var(&a.format, "format", "how to write the result: table or json; audit and verify also write sarif")
	flags.StringVar(&a.store, "store", "", "the directory of images (default $SAFE_RUN_STORE, or "+image.DefaultStore+")")
	flags.StringVar(&a.trust, "trust", "", "what images must satisfy, in JSON; safe-run image fills it in from --profile and the floor")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "say nothing but the result")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return badUsage(cmd.CommandPath(), "%w", err) })
	root.AddCommand(
		a.pullVerb(), a.lsVerb(), a.inspectVerb(), a.rmVerb(), a.pruneVerb(), a.tagVerb(),
		a.saveVerb(), a.importVerb(), a.unpackVerb(), a.verifyVerb(), a.auditVerb(), a.packVerb(),
	)
	root.AddCommand(a.archiveVerbs()...)
	if a.name == throughLauncher {
		showProfile(root)
	}
	_ = root.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"table", "json", "sarif"}, cobra.ShellCompDirectiveNoFileComp))
	return root
}

// judged are the verbs that the launcher tells what images must satisfy.
var judged = []string{"pull", "import", "unpack", "verify", "audit"}

// showProfile lists in the help what the launcher takes out of a command line,
// instead of what it makes of it.
func showProfile(root *cobra.Command) {
	root.PersistentFlags().Lookup("trust").Hidden = true
	for _, c := range root.Commands() {
		if slices.Contains(judged, c.Name()) {
			c.Flags().String("profile", "default", "the policy that images must satisfy: a profile's name, or a path to one")
		}
	}
}

// Root is the tree of verbs with nothing to run, for the man pages.
func Root() *cobra.Command { return (&app{name: image.Fetcher, format: formatTable}).root() }

// begin gives up what the verb does not need: the network, then capabilities.
func (a *app) begin(cmd *cobra.Command, args []string) error {
	if a.format == formatSARIF && cmd.Annotations[writesSARIF] == "" {
		return badUsage(cmd.CommandPath(), "%s does not write sarif", cmd.Name())
	}
	if a.offline(cmd, args) {
		// Defence in depth: where the kernel refuses, capabilities are still
		// given up, and nothing that is local speaks to the network.
		_ = pull.LeaveNetwork()
	}
	return pull.Confine()
}

// Annotations of verbs.
const (
	// network says what a verb needs the network for; it needs none where the
	// annotation is missing.
	network = "network"
	// forNames: an image that is not named by a file may come from elsewhere.
	forNames = "names"
	// forMissing: the same, unless the store has it.
	forMissing = "missing"
	// writesSARIF: the verb can write sarif.
	writesSARIF = "sarif"
)

// offline says whether the verb can do without the network.
func (a *app) offline(cmd *cobra.Command, args []string) bool {
	needs := cmd.Annotations[network]
	if needs == "" {
		return true
	}
	for _, arg := range args {
		ref, err := image.Parse(arg)
		if err != nil || ref.Transport != image.Named && ref.Transport != image.Docker {
			continue
		}
		if needs == forMissing && a.has(arg) {
			continue
		}
		return false
	}
	return true
}

// has says whether the store has an image.
func (a *app) has(name string) bool {
	lib, err := openLibrary(a.store)
	if err != nil {
		return false
	}
	_, err = lib.find(name)
	return err == nil
}

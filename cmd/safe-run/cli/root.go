// Package cli is the command line of safe-run: one file a verb, flags, output
// and hints. Nothing here enforces anything.
package cli

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/spec/problem"
)

// app is one invocation.
type app struct {
	std IO
	// verb is the one that will run; empty: whichever.
	verb string
	// ready is what a run needs; nil for other verbs.
	ready *sandbox.Readiness
	// args is the command line of run, without the verb.
	args []string
	// format is how output, and an error, are written.
	format format
}

// Main runs a command line, without the program's name, and gives the exit
// code: that of the container, or docker's codes for what went wrong before.
func Main(ctx context.Context, args []string, std IO) (code int) {
	a := &app{std: std, format: formatTable}
	var err error
	if std.Order != nil {
		args = prepend(runVerb, std.Order.Args)
	} else {
		args, err = a.dispatch(args)
	}
	if err != nil {
		a.report(err)
		return exitLauncher
	}
	otherwise := 1
	a.verb = args[0]
	if a.std.served, err = takeServed(a.std, a.verb); err != nil {
		a.report(err)
		return exitLauncher
	}
	if a.verb == runVerb || a.verb == attackVerb {
		a.args = args[1:]
		a.ready = begin(std.Order, a.args) // takes longer than reading the flags
		defer a.ready.Cancel()
		otherwise = exitLauncher
	} else if a.verb == execVerb {
		sandbox.BeginExec()
		otherwise = exitLauncher
	}
	return a.guard(otherwise, func() error {
		root := a.root()
		root.SetArgs(args)
		return root.ExecuteContext(ctx)
	})
}

// guard turns what f says, or a panic in it, into an exit code.
func (a *app) guard(otherwise int, f func() error) (code int) {
	defer func() {
		if reason := recover(); reason != nil {
			a.report(internalError(a.std.Err, os.Getenv(debugEnv) != "", reason))
			code = otherwise
		}
	}()
	err := f()
	if err == nil {
		return 0
	}
	a.report(err)
	return exitCode(err, otherwise)
}

// report says what went wrong, unless everything has been said.
func (a *app) report(err error) {
	var exit *exitError
	if errors.As(err, &exit) && exit.Err == nil {
		return
	}
	if a.format == formatJSON {
		reportJSON(a.std.Err, err)
		return
	}
	report(a.std.Err, paletteFor(a.std.Err), err)
}

// The groups of verbs in the help text.
const (
	groupRun     = "run"
	groupLook    = "look"
	groupManage  = "manage"
	groupDetails = "details"
)

// root builds the tree of verbs.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "safe-run [run] [flags] IMAGE [COMMAND...]",
		Short:         "start a container that is locked down unless its profile says otherwise",
		Example:       rootExamples,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) (err error) {
			a.format, err = formatFor(cmd)
			return usageError(err)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(a.std.In)
	root.SetOut(a.std.Out)
	root.SetErr(a.std.Err)
	root.PersistentFlags().String("format", string(formatTable), "how to write the output, and what went wrong")
	root.PersistentFlags().Lookup("format").Annotations = map[string][]string{argKey: {"table|json"}}
	root.SetHelpFunc(a.help)
	root.SetUsageFunc(func(*cobra.Command) error { return nil })
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageOf(cmd, err) })
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Run"},
		&cobra.Group{ID: groupLook, Title: "Look before you run"},
		&cobra.Group{ID: groupManage, Title: "What is running"},
		&cobra.Group{ID: groupDetails, Title: "More"},
	)
	root.SetHelpCommand(a.helpVerb())
	if only := a.only(); only != nil {
		root.AddCommand(only)
		return root
	}
	root.AddCommand(a.runVerb(), a.explainVerb(), a.specVerb(), a.profileVerb(),
		a.seccompVerb(), a.imageVerb(), a.psVerb(), a.stopVerb(), a.killVerb(), a.startVerb(), a.restartVerb(), a.waitVerb(), a.rmVerb(), a.logsVerb(), a.attachVerb(), a.execVerb(), a.createVerb(), a.eventsVerb(), a.containerVerb(), a.healthcheckVerb(), a.gcVerb(), a.generateVerb(), a.versionVerb(), a.completionVerb())
	root.AddCommand(a.volumeVerb(), a.attackVerb(), a.poolVerb())
	root.AddCommand(a.policyVerbs()...)
	root.AddCommand(a.liveVerbs()...)
	_ = root.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"table", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return root
}

// only is the verb that was asked for, where it needs no other: to declare all
// takes as long as to read a profile. nil: all are needed, or it is seldom asked.
func (a *app) only() *cobra.Command {
	switch a.verb {
	case runVerb:
		return a.runVerb()
	case createVerb:
		return a.createVerb()
	case execVerb:
		return a.execVerb()
	case attackVerb:
		return a.attackVerb()
	case "explain":
		return a.explainVerb()
	case "spec":
		return a.specVerb()
	case "ps":
		return a.psVerb()
	case "start":
		return a.startVerb()
	case "stop":
		return a.stopVerb()
	case "kill":
		return a.killVerb()
	case "rm":
		return a.rmVerb()
	case "wait":
		return a.waitVerb()
	case "logs":
		return a.logsVerb()
	case "version":
		return a.versionVerb()
	}
	return nil
}

// Root is the tree of verbs with nothing to run, for the man pages: in place of
// its default each flag has what its value is called.
func Root() *cobra.Command {
	a := &app{format: formatTable}
	root := a.root()
	nameValues(root)
	return root
}

func nameValues(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.DefValue = flagArg(f); f.DefValue == "" {
			f.DefValue = "false"
		}
	})
	for _, c := range cmd.Commands() {
		nameValues(c)
	}
}

// arguments checks how many arguments a verb has; names are what they are
// called, and most is -1 where there may be more.
func arguments(least, most int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		hint, verb := "write "+cmd.CommandPath(), strings.TrimPrefix(cmd.CommandPath(), "safe-run ")
		if names != "" {
			hint += " " + names
		}
		switch {
		case len(args) < least:
			return usageError(problem.New(hint, "%s needs %s", verb, names))
		case most >= 0 && len(args) > most:
			return usageError(problem.New(hint, "%s does not take %q", verb, args[most]))
		}
		return nil
	}
}

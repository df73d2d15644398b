package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/pull"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// formats of what goes to standard output.
const (
	formatText = "text"
	formatJSON = "json"
)

// usage marks an error in the command line.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

// badUsage is an error in the command line, with where to read more.
func badUsage(command, format string, args ...any) error {
	return usage{problem.New(command+" --help", format, args...)}
}

// run is the program: it gives the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c := &common{format: formatText}
	root := &cobra.Command{
		Use:           "safe-run-image",
		Short:         "Find, check, unpack and look after images for safe-run",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return badUsage(cmd.CommandPath(), "there is no command %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVar(&c.format, "format", formatText, "how to print the result: text or json")
	flags.StringVar(&c.store, "store", image.DefaultStore, "the directory of images")
	flags.StringVar(&c.trust, "trust", "", "what images must satisfy, in JSON; safe-run image fills it in from --profile and the floor")
	flags.BoolVarP(&c.quiet, "quiet", "q", false, "say nothing but the result")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if c.format != formatText && c.format != formatJSON {
			return badUsage(cmd.CommandPath(), "--format %q is neither text nor json", c.format)
		}
		return pull.Confine()
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return badUsage(cmd.CommandPath(), "%w", err)
	})
	root.AddCommand(pullCommand(c), packCommand(&c.format))
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return report(root.ExecuteContext(ctx), c.format, stdout, stderr)
}

// common is what all commands are told.
type common struct {
	format string
	store  string
	trust  string // spec.Trust in JSON
	quiet  bool
}

// maxTrust bounds --trust in bytes: what one argument may have (execve(2)).
const maxTrust = 128 << 10

// policy is what images must satisfy.
func (c *common) policy() (spec.Trust, error) {
	var t spec.Trust
	if c.trust == "" {
		return t, nil
	}
	d := json.NewDecoder(strings.NewReader(c.trust))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil || len(c.trust) > maxTrust {
		return t, badUsage("safe-run-image", "--trust is not what safe-run writes: %v", err)
	}
	return t, nil
}

// one takes the one image that a command is about.
func one(verb string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return badUsage(cmd.CommandPath(), "%s takes one image, not %d", verb, len(args))
		}
		return nil
	}
}

// report shows err and gives the exit code that goes with it.
func report(err error, format string, stdout, stderr io.Writer) int {
	var u usage
	switch {
	case err == nil:
		return exitOK
	case format == formatJSON:
		// Nobody is left to tell when standard output is closed.
		_ = json.NewEncoder(stdout).Encode(image.Failure{Error: oneLine(err.Error()), Hint: oneLine(problem.HintOf(err))})
	default:
		fmt.Fprintln(stderr, "safe-run-image: "+oneLine(err.Error()))
		if hint := problem.HintOf(err); hint != "" {
			fmt.Fprintln(stderr, "hint: "+oneLine(hint))
		}
	}
	switch {
	case errors.As(err, &u):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailed
}

// oneLine keeps a message on its line.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(c rune) bool { return c == '\n' || c == '\r' }), " ")
}

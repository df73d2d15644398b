package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/spec/problem"
)

// The exit codes. A wrong command line has docker's.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 125
	exitInterrupted = 130
)

// usage marks an error in the command line.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

// badUsage is an error in the command line, with where to read more.
func badUsage(command, format string, args ...any) error {
	return usage{problem.New("see "+command+" --help", format, args...)}
}

// errNo says by the exit code alone that the answer is no: it was written.
var errNo = errors.New("the answer is no")

// noVerb explains a verb that is not there.
func (a *app) noVerb(root *cobra.Command, word string) error {
	if near := root.SuggestionsFor(word); len(near) > 0 {
		return usage{problem.New("did you mean "+a.name+" "+near[0]+" ?", "there is no verb %q", word)}
	}
	return usage{problem.New("see "+a.name+" --help", "there is no verb %q", word)}
}

// report writes what went wrong, a line and a hint each, and gives the exit code.
func (a *app) report(err error) int {
	var wrong usage
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errNo):
		return exitFailed
	}
	for _, one := range flatten(err) {
		fmt.Fprintf(a.std.Err, "safe-run: %s\n", printable(one.Error()))
		if hint := problem.HintOf(one); hint != "" {
			fmt.Fprintf(a.std.Err, "hint: %s\n", printable(hint))
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &wrong):
		return exitUsage
	}
	return exitFailed
}

// flatten takes errors.Join apart; each is a line of its own.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // only the outermost error is taken apart
	if !ok || !strings.Contains(err.Error(), "\n") {
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, flatten(one)...)
	}
	return all
}

// printable keeps what others chose from moving the cursor or forging a line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

// The exit codes. A wrong command line has docker's.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 125
	exitInterrupted = 130
)

// format is how output is written. It is a pflag.Value.
type format string

// The formats.
const (
	formatTable format = "table"
	formatJSON  format = "json"
	formatSARIF format = "sarif"
)

func (f *format) String() string { return string(*f) }

// Type implements pflag.Value.
func (f *format) Type() string { return "table|json|sarif" }

// Set implements pflag.Value.
func (f *format) Set(s string) error {
	switch v := format(s); v {
	case formatTable, formatJSON, formatSARIF:
		*f = v
		return nil
	}
	if strings.Contains(s, "{{") {
		return errors.New("templates are not read: write json, and choose with jq")
	}
	return errors.New("it is none of table, json and sarif")
}

// usage marks an error in the command line.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

// badUsage is an error in the command line, with where to read more.
func badUsage(command, format string, args ...any) error {
	return usage{problem.New("see "+command+" --help", format, args...)}
}

// failed says by the exit code alone that the answer is no: it was written.
type failed struct{}

func (failed) Error() string { return "the answer is no" }

// noVerb explains a verb that is not there.
func (a *app) noVerb(root *cobra.Command, word string) error {
	for _, c := range root.Commands() {
		if c.HasAlias(word) || strings.HasPrefix(c.Name(), word) || strings.HasPrefix(word, c.Name()) {
			return usage{problem.New("did you mean "+a.name+" "+c.Name()+" ?", "there is no verb %q", word)}
		}
	}
	if near := root.SuggestionsFor(word); len(near) > 0 {
		return usage{problem.New("did you mean "+a.name+" "+near[0]+" ?", "there is no verb %q", word)}
	}
	if instead := elsewhere[word]; instead != "" {
		return usage{problem.New(instead, "there is no verb %q", word)}
	}
	return badUsage(root.CommandPath(), "there is no verb %q", word)
}

// elsewhere are docker's and podman's verbs about images that are not here,
// with what does it.
var elsewhere = map[string]string{
	"build":   "build it with another tool, and run it as docker or podman keeps it: safe-run docker-daemon:NAME or containers-storage:NAME",
	"exists":  "the exit code tells: safe-run image inspect NAME",
	"history": "safe-run image inspect --raw-config NAME has it",
	"load":    "import it under a name: safe-run image import docker-archive:FILE NAME",
	"push":    "save it, and push it with another tool: safe-run image save --to oci:DIR NAME",
}

// images checks how many images a verb is given; most is -1 for any number.
func images(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case least == 0 && most == 0 && len(args) > 0:
			return badUsage(cmd.CommandPath(), "%s takes no image, but %q was named", cmd.Name(), args[0])
		case len(args) < least:
			return badUsage(cmd.CommandPath(), "no image is named")
		case most >= 0 && len(args) > most:
			return badUsage(cmd.CommandPath(), "%s takes one image, not %d; flags go before it", cmd.Name(), len(args))
		}
		return nil
	}
}

// report shows err and gives the exit code that goes with it.
func (a *app) report(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, new(failed)):
		return exitFailed
	case a.format == formatJSON:
		// Nobody is left to tell when standard output is closed.
		_ = json.NewEncoder(a.std.Out).Encode(image.Failure{Error: oneLine(err.Error()), Hint: oneLine(problem.HintOf(err))})
	default:
		a.say(err)
	}
	switch {
	case errors.As(err, new(usage)):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailed
}

// say writes an error and its hint for people.
func (a *app) say(err error) {
	fmt.Fprintln(a.std.Err, a.name+": "+oneLine(err.Error()))
	if hint := problem.HintOf(err); hint != "" {
		fmt.Fprintln(a.std.Err, "hint: "+oneLine(hint))
	}
}

// oneLine keeps a message on its line, and what a terminal acts on from it.
func oneLine(s string) string {
	return printable(strings.Join(strings.FieldsFunc(s, func(c rune) bool { return c == '\n' || c == '\r' }), " "))
}

// writeJSON writes a result for programs.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

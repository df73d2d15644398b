package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/safe-run/safe-run/spec/problem"
)

// runVerb is what is meant when no verb is written.
const runVerb = "run"

// dispatch puts the verb first: a first argument that is no verb is an image
// to run, and flags may stand before the verb. Nothing that has a colon, a
// slash or a dot is ever taken for a verb.
func (a *app) dispatch(args []string) ([]string, error) {
	if len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		return append(args[:1:1], dispatchCompletion(args[1:])...), nil
	}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return dispatchWord(nil, args) // without a flag before it, there is nothing to take apart
	}
	scan := newScan()
	err := scan.Parse(args)
	// Errors are written in the format too, so it is needed before anything else.
	if f, ok := parseFormat(scan.Lookup("format").Value.String()); ok == nil {
		a.format = f
	}
	if len(args) == 1 && args[0] == "-h" {
		return []string{"--help"}, nil
	}
	if err != nil {
		return prepend(runVerb, args), nil // run says what is wrong
	}
	rest := scan.Args()
	before := args[:len(args)-len(rest)]
	switch {
	case scan.Changed("version"):
		return []string{"version"}, nil
	case len(rest) == 0 && (len(args) == 0 || scan.Changed("help")):
		return []string{"--help"}, nil
	case len(rest) == 0:
		return prepend(runVerb, args), nil
	case len(before) > 0 && before[len(before)-1] == "--":
		return prepend(runVerb, args), nil
	}
	return dispatchWord(before, rest)
}

// dispatchWord does so when the first argument that is no flag is known: it
// begins rest, and flags are before it.
func dispatchWord(before, rest []string) ([]string, error) {
	switch {
	case rest[0] == containerVerb:
		return dispatchContainer(before, rest[1:])
	case isVerb(rest[0]):
		return prepend(rest[0], append(before[:len(before):len(before)], rest[1:]...)), nil
	case imageVerbs[rest[0]] != "":
		verb := prepend(imageVerbs[rest[0]], append(before[:len(before):len(before)], rest[1:]...))
		return prepend("image", verb), nil
	}
	if err := noDockerVerb(rest[0]); err != nil {
		return nil, err
	}
	if near := nearest(rest[0], verbs); near != "" && !strings.ContainsAny(rest[0], ":/.@") {
		return nil, problem.New("did you mean `safe-run "+near+"`? If it is an image: safe-run run "+rest[0],
			"there is no verb %q", rest[0])
	}
	return prepend(runVerb, append(before[:len(before):len(before)], rest...)), nil
}

// dispatchCompletion does the same to a command line that is being typed; its
// last word is not finished.
func dispatchCompletion(words []string) []string {
	if len(words) == 0 {
		return words
	}
	done, last := words[:len(words)-1], words[len(words)-1]
	scan := newScan()
	err := scan.Parse(done)
	switch {
	case err == nil && scan.NArg() > 1 && scan.Arg(0) == containerVerb && ofContainer(scan.Arg(1)) != nil:
		before := done[:len(done)-scan.NArg()]
		return append(append(append(ofContainer(scan.Arg(1)), before...), scan.Args()[2:]...), last)
	case err == nil && scan.NArg() > 0 && isVerb(scan.Arg(0)):
		before := done[:len(done)-scan.NArg()]
		rest := append(before[:len(before):len(before)], scan.Args()[1:]...)
		return append(prepend(scan.Arg(0), rest), last)
	case err == nil && scan.NArg() > 0 && imageVerbs[scan.Arg(0)] != "":
		before := done[:len(done)-scan.NArg()]
		rest := append(before[:len(before):len(before)], scan.Args()[1:]...)
		return append([]string{"image", imageVerbs[scan.Arg(0)]}, append(rest, last)...)
	case err == nil && len(done) == 0 && !strings.HasPrefix(last, "-"):
		return words // a verb, or an image
	}
	return prepend(runVerb, words)
}

// newScan reads any command line as run would, to find its first argument.
func newScan() *pflag.FlagSet {
	scan := pflag.NewFlagSet("safe-run", pflag.ContinueOnError)
	scan.Usage = func() {}
	addRunFlags(scan)
	scan.String("format", string(formatTable), "")
	scan.Bool("help", false, "") // -h is docker's --hostname
	scan.Bool("version", false, "")
	return scan
}

// verbs are the first words that are no image.
var verbs = slices.Concat([]string{runVerb, "volume", "explain", "spec", "profile", "seccomp", "image", "ps", "stop", "kill", "start", "restart", "wait", "rm", "logs", "attach", "exec", createVerb, "events", containerVerb, "healthcheck", "gc", "generate", "audit", "doctor", "export", "convert", "install", "verify", "guard", "version", "completion", "help", "pool", attackVerb}, liveVerbNames)

func isVerb(word string) bool { return slices.Contains(verbs, word) }

func prepend(first string, rest []string) []string {
	return append([]string{first}, rest...)
}

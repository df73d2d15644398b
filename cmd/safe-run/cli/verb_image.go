package cli

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// imageVerb is `safe-run image VERB`: all of it is another program's, so that
// the launcher has no part that reads foreign formats or speaks to registries.
func (a *app) imageVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "image VERB [flags] [IMAGE...]", Short: "pull, list, check and look after images", GroupID: groupManage,
		Long: "pull, list, check and look after images. What an image must satisfy is what --profile and the floor ask for; " +
			"safe-run image --help lists the verbs, and safe-run image VERB --help explains one.",
		Example:            "  safe-run image pull nginx:1.27\n  safe-run image ls\n  safe-run image verify --profile web nginx:1.27\n  safe-run image audit --fail-on high nginx:1.27",
		DisableFlagParsing: true,
		// The format is the other program's business; it has one more.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		ValidArgsFunction: completeImage,
		RunE: func(_ *cobra.Command, args []string) error {
			args, err := imageArguments(args)
			if err != nil {
				// 1 is what the other program says no with.
				return usageError(err)
			}
			return usageError(becomeFetcher(args))
		},
	}
	cmd.SetHelpFunc(func(own *cobra.Command, _ []string) {
		if err := becomeFetcher([]string{"--help"}); err != nil {
			a.help(own, nil) // where it is not installed
		}
	})
	return cmd
}

// imageName is what the other program is to call itself.
const imageName = "safe-run image"

// judged are the verbs that need to know what images must satisfy.
var judged = []string{"pull", "import", "unpack", "verify", "audit"}

// imageArguments are the other program's arguments: those that were written,
// but for --profile, which becomes what it means.
func imageArguments(args []string) ([]string, error) {
	if !slices.Contains(judged, imageVerbOf(args)) {
		return args, nil
	}
	rest, profile, err := cutProfile(args)
	if err != nil {
		return nil, err
	}
	p, err := resolvePolicy(runOptions{Profile: profile})
	if err != nil {
		return nil, err
	}
	trust, err := json.Marshal(spec.TrustOf(p))
	if err != nil {
		return nil, err
	}
	return append([]string{"--trust=" + string(trust)}, rest...), nil
}

// beforeVerb are the flags with a value that may stand before the verb.
var beforeVerb = []string{"--profile", "--store", "--format", "--trust"}

// imageVerbOf finds the verb in a command line; empty when there is none.
func imageVerbOf(args []string) string {
	for i := 0; i < len(args); i++ {
		switch {
		case slices.Contains(beforeVerb, args[i]):
			i++
		case !strings.HasPrefix(args[i], "-"):
			return args[i]
		}
	}
	return ""
}

// cutProfile takes --profile out of a command line.
func cutProfile(args []string) (rest []string, profile string, err error) {
	profile = "default"
	for i := 0; i < len(args); i++ {
		value, joined := strings.CutPrefix(args[i], "--profile=")
		switch {
		case args[i] == "--":
			return append(rest, args[i:]...), profile, nil
		case joined:
			profile = value
		case args[i] == "--profile" && i+1 == len(args):
			return nil, "", problem.New("write --profile NAME|FILE", "--profile needs a value")
		case args[i] == "--profile":
			i++
			profile = args[i]
		default:
			rest = append(rest, args[i])
		}
	}
	return rest, profile, nil
}

// becomeFetcher replaces this process by the other program: signals, the
// terminal and the exit code are its own then. It returns only with an error.
func becomeFetcher(args []string) error {
	path, err := image.FindFetcher("")
	if err != nil {
		return problem.New("install "+image.Fetcher+" beside safe-run, or name it in SAFE_RUN_IMAGE", "%w", err)
	}
	err = syscall.Exec(path, append([]string{imageName}, args...), os.Environ())
	return problem.New("install "+image.Fetcher+" beside safe-run, or name it in SAFE_RUN_IMAGE", "%s: %w", path, err)
}

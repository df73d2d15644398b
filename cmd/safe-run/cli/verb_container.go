package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/spec/problem"
)

const containerVerb = "container"

// otherVerbs are not about containers.
var otherVerbs = []string{"explain", "spec", "profile", "image", "volume", "events", "gc", "generate", "version", "completion", "help", containerVerb}

// containerAliases are docker's names after `container` that are others alone.
var containerAliases = map[string]string{"ls": "ps", "list": "ps", "remove": "rm"}

// containerVerb is `safe-run container VERB`, where VERB is one of those about
// containers: dispatch takes the first word away.
func (a *app) containerVerb() *cobra.Command {
	words := containerWords()
	cmd := &cobra.Command{
		Use: "container VERB [flags]", Short: "verbs about containers, as docker groups them", GroupID: groupManage,
		Long: "verbs about containers, as docker groups them: safe-run container stop is safe-run stop. " +
			"They are " + strings.Join(words, ", ") + ". Only prune has no shorter form.",
		Example:               "  safe-run container ls -a\n  safe-run container prune --filter until=24h",
		DisableFlagsInUseLine: true,
		ValidArgs:             words,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noContainerVerb(args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.pruneVerb())
	return cmd
}

// containerWords are what may follow `container`, beside prune.
func containerWords() []string {
	words := slices.DeleteFunc(slices.Clone(verbs), func(verb string) bool { return slices.Contains(otherVerbs, verb) })
	for alias := range containerAliases {
		words = append(words, alias)
	}
	slices.Sort(words)
	return words
}

// ofContainer gives the verb that a word after `container` means, with what it
// implies; nil for none.
func ofContainer(word string) []string {
	if alias, ok := containerAliases[word]; ok {
		word = alias
	}
	switch {
	case !isVerb(word) || slices.Contains(otherVerbs, word):
		return nil
	case word == "inspect":
		return []string{word, "--type=container"}
	}
	return []string{word}
}

// dispatchContainer is dispatch for what follows `container`; before are flags
// that stood before it.
func dispatchContainer(before, rest []string) ([]string, error) {
	before = before[:len(before):len(before)]
	switch {
	case len(rest) == 0 || strings.HasPrefix(rest[0], "-"):
		return prepend(containerVerb, append(before, rest...)), nil
	case rest[0] == "prune":
		return append([]string{containerVerb, "prune"}, append(before, rest[1:]...)...), nil
	}
	verb := ofContainer(rest[0])
	if verb == nil {
		return nil, noContainerVerb(rest[0])
	}
	return append(verb, append(before, rest[1:]...)...), nil
}

func noContainerVerb(word string) error {
	hint := "safe-run container --help lists them"
	if near := nearest(word, append(containerWords(), "prune")); near != "" {
		hint = "did you mean `safe-run container " + near + "`?"
	}
	return usageError(problem.New(hint, "there is no verb %.60q about containers", word))
}

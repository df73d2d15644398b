package cli

import (
	"bytes"
	"context"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/image"
)

// completionPatience bounds how long a shell waits for the other program.
const completionPatience = 2 * time.Second

// completeImage has the other program complete its verbs and flags, and adds
// the names of images where an image is asked for.
func completeImage(_ *cobra.Command, args []string, last string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 && args[len(args)-1] == "--profile" {
		return profileNames(), cobra.ShellCompDirectiveDefault
	}
	typed, _, err := cutProfile(args)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	words, directive := askFetcher(append(slices.Clone(typed), last))
	words = slices.DeleteFunc(words, func(w string) bool { // flags that are added here
		name, _, _ := strings.Cut(w, "\t")
		return name == "--format" || name == "--profile"
	})
	if strings.HasPrefix(last, "-") {
		if !slices.Contains(judged, imageVerbOf(typed)) {
			return words, directive
		}
		words = append(words, withPrefix([]string{"--profile\tthe policy that images must satisfy"}, last)...)
		return words, directive
	}
	if len(typed) == 0 || len(words) > 0 {
		return words, directive
	}
	return withPrefix(imageNames(), last), cobra.ShellCompDirectiveDefault // a file, too
}

// askFetcher runs the other program's own completion.
func askFetcher(args []string) ([]string, cobra.ShellCompDirective) {
	path, err := image.FindFetcher("")
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{cobra.ShellCompRequestCmd}, args...)...)
	cmd.Args[0] = imageName // what its flags depend on
	var out bytes.Buffer
	cmd.Stdout = &out
	if cmd.Run() != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	code, err := strconv.Atoi(strings.TrimPrefix(lines[len(lines)-1], ":"))
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return lines[:len(lines)-1], cobra.ShellCompDirective(code)
}

// imageNames are the references that the store knows.
func imageNames() []string { return imageNamesIn("") }

func imageNamesIn(dir string) (names []string) {
	store, err := image.OpenStore(dir)
	if err != nil {
		return nil
	}
	records, err := store.Records()
	if err != nil {
		return nil
	}
	// What a bare name was found as in a registry is recorded beside it.
	again := map[string]bool{}
	for _, r := range records {
		if ref, err := image.Parse(r.From); err == nil {
			again[ref.Full().String()] = true
		}
	}
	for _, r := range records {
		if !again[r.Reference] {
			names = append(names, strings.TrimSuffix(r.Reference, ":latest"))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func withPrefix(words []string, prefix string) (out []string) {
	for _, w := range words {
		if strings.HasPrefix(w, prefix) {
			out = append(out, w)
		}
	}
	return out
}

// completeReference completes the IMAGE of run, spec and explain; what follows
// it is the command's.
func completeReference(_ *cobra.Command, args []string, last string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return withPrefix(imageNames(), last), cobra.ShellCompDirectiveDefault
}

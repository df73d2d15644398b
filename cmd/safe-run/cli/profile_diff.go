package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles"
)

// profileDiffVerb is `safe-run profile diff A B`.
func (a *app) profileDiffVerb() *cobra.Command {
	return &cobra.Command{
		Use: "diff A B", Short: "show what B allows more or less than A",
		Long:              "show how profile B differs from profile A once all that they extend is laid together. ! marks what B allows beyond A.",
		Example:           "  safe-run profile diff default web\n  safe-run profile diff web ./app.yaml",
		Args:              arguments(2, 2, "A B"),
		ValidArgsFunction: completeProfiles(2),
		RunE: func(_ *cobra.Command, args []string) error {
			var pair [2]profiles.Profile
			for i, name := range args {
				var err error
				if pair[i], err = profiles.Resolve(name, policies.Here.Finder()); err != nil {
					return err
				}
			}
			changes := profiles.Diff(pair[0], pair[1])
			if a.format == formatJSON {
				return writeJSON(a.std.Out, orEmpty(changes))
			}
			return a.writeDiff(args, changes)
		},
	}
}

func (a *app) writeDiff(names []string, changes []profiles.Change) error {
	if len(changes) == 0 {
		_, err := fmt.Fprintf(a.std.Out, "%s and %s allow the same\n", printable(names[0]), printable(names[1]))
		return err
	}
	p := paletteFor(a.std.Out)
	t := table{head: []string{" ", "SETTING", names[0], names[1], "WRITTEN AT"}}
	for i := range t.head {
		t.head[i] = printable(t.head[i])
	}
	for _, c := range changes {
		mark := ""
		if c.Looser {
			mark = "!"
		}
		t.add(mark, c.Path, orDash(c.Old), orDash(c.New), c.Origin.String())
	}
	t.paint = func(row, column int, text string) string {
		if changes[row].Looser && column < 2 {
			return p.yellow(text)
		}
		return text
	}
	return t.write(a.std.Out, width(a.std.Out), p)
}

func orDash(value string) string {
	if value == "" {
		return "-"
	}
	return value
}

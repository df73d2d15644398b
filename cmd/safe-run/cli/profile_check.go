package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/profiles"
)

// checked is the JSON form of one file of profile check.
type checked struct {
	File   string    `json:"file"`
	OK     bool      `json:"ok"`
	Errors []failure `json:"errors"`
	// Floor lists where the administrator's floor makes it tighter.
	Floor []profiles.Change `json:"floor"`
}

// profileCheckVerb is `safe-run profile check FILE...`.
func (a *app) profileCheckVerb() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE...", Short: "check that profiles can be used",
		Long: "check that profiles can be used, with all that they extend, and say where the administrator's floor " +
			"makes them tighter. The exit code is 1 when one cannot.",
		Example:           "  safe-run profile check ./app.yaml\n  safe-run profile check --format json policies/*.yaml",
		Args:              arguments(1, -1, "FILE"),
		ValidArgsFunction: completeProfiles(-1),
		RunE: func(_ *cobra.Command, args []string) error {
			floor, err := readFloor()
			if err != nil {
				return err
			}
			results, failed := make([]checked, len(args)), false
			for i, name := range args {
				results[i] = a.check(name, floor)
				failed = failed || !results[i].OK
			}
			if a.format == formatJSON {
				err = writeJSON(a.std.Out, results)
			}
			if err == nil && failed {
				err = &exitError{Code: 1}
			}
			return err
		},
	}
}

// check checks one profile and, in a table, says so at once.
func (a *app) check(name string, floor *profiles.Profile) checked {
	c := checked{File: name, OK: true, Errors: []failure{}, Floor: []profiles.Change{}}
	p, err := profiles.Resolve(name, profileFinder())
	if err != nil {
		c.OK, c.Errors = false, failures(err)
		if a.format != formatJSON {
			report(a.std.Err, paletteFor(a.std.Err), err)
		}
		return c
	}
	if floor != nil {
		c.Floor = orEmpty(profiles.Looser(p, *floor))
	}
	if a.format == formatJSON {
		return c
	}
	fmt.Fprintf(a.std.Out, "%s: ok\n", printable(name))
	for _, change := range c.Floor {
		fmt.Fprintf(a.std.Out, "  %s %s becomes %s by the floor (%s)\n", printable(change.Path),
			printable(orNothing(change.New)), printable(orNothing(change.Old)), placeOf(*floor, change.Path))
	}
	return c
}

// orNothing shows a value that is not set.
func orNothing(value string) string {
	if value == "" {
		return "nothing"
	}
	return value
}

package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// checked is the JSON form of one file of profile check.
type checked struct {
	File   string    `json:"file"`
	OK     bool      `json:"ok"`
	Errors []failure `json:"errors"`
	// Warnings are about what is allowed and most likely not meant.
	Warnings []failure `json:"warnings"`
	// Floor lists where the administrator's floor makes it tighter.
	Floor []profiles.Change `json:"floor"`
}

// profileCheckVerb is `safe-run profile check [--floor] FILE...`.
func (a *app) profileCheckVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "check [--floor] FILE...", Short: "check that profiles can be used",
		Long: "check that profiles can be used, with all that they extend, and say where the administrator's floor " +
			"makes them tighter, and which files they name that are not there. With --floor they are checked as floors, " +
			"which limit what they speak of and leave the rest open. The exit code is 1 when one cannot be used.",
		Example:               "  safe-run profile check ./app.yaml\n  safe-run profile check --floor ./floor.yaml\n  safe-run profile check --format json policies/*.yaml",
		Args:                  arguments(1, -1, "FILE"),
		ValidArgsFunction:     completeProfiles(-1),
		DisableFlagsInUseLine: true,
	}
	asFloor := cmd.Flags().Bool("floor", false, "check them as the administrator's floor, which may leave settings open")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		results, failed := make([]checked, len(args)), false
		for i, name := range args {
			resolve := a.checkProfile
			if *asFloor || name == policies.Here.FloorName() {
				resolve = a.checkFloor
			}
			p, c, err := resolve(name)
			if err != nil {
				return err
			}
			results[i] = a.judged(p, c)
			failed = failed || !c.OK
		}
		var err error
		if a.format == formatJSON {
			err = writeJSON(a.std.Out, results)
		}
		if err == nil && failed {
			err = &exitError{Code: 1}
		}
		return err
	}
	return cmd
}

// checkProfile checks one profile. An error says that no profile can be used.
func (a *app) checkProfile(name string) (profiles.Profile, checked, error) {
	floor, err := policies.Here.Floor()
	if err != nil {
		return profiles.Profile{}, checked{}, err
	}
	p, err := profiles.Resolve(name, policies.Here.Finder())
	if err != nil {
		return p, a.unusable(name, perhapsFloor(name, err)), nil
	}
	c := checked{File: name, OK: true}
	if floor != nil {
		c.Floor = profiles.Looser(p, *floor)
	}
	if a.format == formatJSON {
		return p, c, nil
	}
	fmt.Fprintf(a.std.Out, "%s: ok\n", printable(name))
	for _, change := range c.Floor {
		fmt.Fprintf(a.std.Out, "  %s %s becomes %s by the floor (%s)\n", printable(change.Path),
			printable(orNothing(change.New)), printable(orNothing(change.Old)), policies.Here.PlaceOf(*floor, change.Path))
	}
	return p, c, nil
}

// checkFloor checks one document as a floor. One that is not in its place yet
// may still belong to whoever writes it.
func (a *app) checkFloor(name string) (profiles.Profile, checked, error) {
	finder := policies.Here.FloorFinder()
	if name != policies.Here.FloorName() {
		finder[0] = policies.FileFinder{Read: policies.ReadProfile}
	}
	p, err := profiles.ResolveFloor(name, finder)
	if err != nil {
		return p, a.unusable(name, err), nil
	}
	if a.format != formatJSON {
		fmt.Fprintf(a.std.Out, "%s: ok as a floor\n", printable(name))
	}
	return p, checked{File: name, OK: true}, nil
}

// unusable says at once what is wrong with a document.
func (a *app) unusable(name string, err error) checked {
	if a.format != formatJSON {
		report(a.std.Err, paletteFor(a.std.Err), err)
	}
	return checked{File: name, Errors: failures(err)}
}

// perhapsFloor adds to the hint of a document that leaves settings open and
// could be used as a floor.
func perhapsFloor(name string, err error) error {
	if _, unfit := profiles.ResolveFloor(name, policies.Here.Finder()); unfit != nil {
		return err
	}
	all := flatten(err)
	all[0] = problem.New(problem.HintOf(all[0])+"; a floor may leave them open: safe-run profile check --floor "+name, "%w", all[0])
	return errors.Join(all...)
}

// judged adds the warnings about a document that can be used, and says them at
// once.
func (a *app) judged(p profiles.Profile, c checked) checked {
	c.Errors, c.Warnings, c.Floor = orEmpty(c.Errors), []failure{}, orEmpty(c.Floor)
	if !c.OK {
		return c
	}
	for _, err := range warnings(p) {
		c.Warnings = append(c.Warnings, failure{err.Error(), problem.HintOf(err)})
		if a.format != formatJSON {
			report(a.std.Err, paletteFor(a.std.Err), problem.New(problem.HintOf(err), "warning: %w", err))
		}
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

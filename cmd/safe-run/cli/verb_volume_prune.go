package cli

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/sandbox/volume"
	"github.com/safe-run/safe-run/spec/problem"
)

// volumePruneVerb is `safe-run volume prune`.
func (a *app) volumePruneVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "prune [flags]", Short: "remove volumes that no container has", Args: arguments(0, 0, ""), DisableFlagsInUseLine: true,
		Long: "remove the volumes without a name that no container has, running or not; with -a those with a name, too. " +
			"What a killed process left half made or half removed goes as well. A damaged one stays.",
		Example: "  safe-run volume prune\n  safe-run volume prune -af --filter label=scratch",
	}
	f := cmd.Flags()
	all := f.BoolP("all", "a", false, "remove those that have a name, too")
	force := f.BoolP("force", "f", false, "do not ask")
	filters := f.StringArray("filter", nil, "only those that match `KEY=VALUE`: label or label!")
	cmd.RunE = func(*cobra.Command, []string) error {
		filter, err := parseVolumeFilters(*filters)
		if err != nil {
			return usageError(err)
		}
		if values := filter["all"]; len(values) > 0 { // docker's other way to say -a
			*all, _ = parseBool(values[len(values)-1])
		}
		if !*force {
			if err := a.confirmPrune(*all); err != nil {
				return err
			}
		}
		return a.pruneVolumes(filter, *all)
	}
	return cmd
}

// confirmPrune asks before anything is removed. Where nobody can answer it is
// an error.
func (a *app) confirmPrune(all bool) error {
	what := "all volumes without a name that no container has"
	if all {
		what = "all volumes that no container has"
	}
	return a.confirm(what + ", with their files")
}

// confirm asks before what is said is removed.
func (a *app) confirm(what string) error {
	fmt.Fprintf(a.std.Err, "This removes %s. Go on? [y/N] ", what)
	answer, _ := bufio.NewReader(a.std.In).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer == "y" || answer == "yes" {
		return nil
	}
	return problem.New("answer y, or write -f", "nothing was removed")
}

// pruned is what was removed, in docker's names.
type pruned struct {
	VolumesDeleted []string
	SpaceReclaimed int64
	// AtLeast: there was too much in one to be counted.
	AtLeast bool `json:",omitempty"`
}

func (a *app) pruneVolumes(filter volumeFilter, all bool) error {
	done := pruned{VolumesDeleted: []string{}}
	_, err := sandbox.CollectVolumes(state.DefaultRoot)
	errs := []error{err}
	rows, store, err := listVolumes()
	if err != nil {
		return asRoot(errors.Join(append(errs, err)...))
	}
	for _, r := range rows {
		if !r.dangling || r.Damage != "" || !(r.Anonymous || all) || !filter.match(r) {
			continue
		}
		var used volume.Used
		if v, err := store.Get(r.Name); err == nil {
			used, _ = store.Usage(v)
		}
		switch err := sandbox.RemoveVolume(state.DefaultRoot, store, r.Name, ""); {
		case err == nil:
			done.VolumesDeleted = append(done.VolumesDeleted, r.Name)
			done.SpaceReclaimed += used.Bytes
			done.AtLeast = done.AtLeast || used.AtLeast
		case !errors.Is(err, volume.ErrInUse) && !errors.Is(err, volume.ErrNotFound): // somebody was faster
			errs = append(errs, err)
		}
	}
	if a.format == formatJSON {
		return errors.Join(append(errs, writeJSON(a.std.Out, done))...)
	}
	if len(done.VolumesDeleted) > 0 {
		fmt.Fprintf(a.std.Out, "Deleted Volumes:\n%s\n\n", strings.Join(done.VolumesDeleted, "\n"))
	}
	space := formatBytes(done.SpaceReclaimed)
	if done.AtLeast {
		space = "at least " + space
	}
	fmt.Fprintf(a.std.Out, "Total reclaimed space: %s\n", space)
	return errors.Join(errs...)
}

// formatBytes writes a number of bytes so that it can be read again.
func formatBytes(n int64) string { return profiles.Bytes(n).String() }

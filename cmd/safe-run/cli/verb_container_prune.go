package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/problem"
)

// pruneVerb is `safe-run container prune`.
func (a *app) pruneVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "prune [flags]", Short: "remove containers that do not run", Args: arguments(0, 0, ""), DisableFlagsInUseLine: true,
		Long: "remove the containers that do not run, with their logs: those that have ended, and those that were created and never started. " +
			"A damaged one stays: safe-run rm -f removes it.",
		Example: "  safe-run container prune\n  safe-run container prune -f --filter until=24h --filter label=job",
	}
	f := cmd.Flags()
	force := f.BoolP("force", "f", false, "do not ask")
	filters := f.StringArray("filter", nil, "only those that match `KEY=VALUE`: until (made before that time), label or label!")
	cmd.RunE = func(*cobra.Command, []string) error {
		filter, err := parsePruneFilter(*filters, time.Now())
		if err != nil {
			return err
		}
		if !*force {
			if err := a.confirm("all containers that do not run, with their logs"); err != nil {
				return err
			}
		}
		return asRoot(a.pruneContainers(filter))
	}
	return cmd
}

// pruneFilter is which containers are removed.
type pruneFilter struct {
	until       time.Time
	with, never psFilter
}

func parsePruneFilter(filters []string, now time.Time) (f pruneFilter, err error) {
	f.with, f.never = psFilter{}, psFilter{}
	for _, text := range filters {
		key, value, ok := strings.Cut(text, "=")
		if key, ok := strings.CutSuffix(key, "!"); ok && key == "label" && value != "" {
			f.never["label"] = append(f.never["label"], value)
			continue
		}
		switch {
		case !ok || value == "":
			return f, problem.New("write --filter until=24h", "--filter %.60q has no value", text)
		case key == "until":
			f.until, err = parseMoment("--filter until", value, now)
		case key == "label":
			f.with["label"] = append(f.with["label"], value)
		default:
			err = problem.New("the keys are until, label and label!", "--filter: there is no key %.60q", key)
		}
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f pruneFilter) match(r row) bool {
	late := !f.until.IsZero() && !r.Created.Before(f.until)
	never := slices.ContainsFunc(f.never["label"], func(label string) bool { return r.matches("label", label) })
	return !late && !never && f.with.match(r)
}

// prunedContainers is what was removed, in docker's names.
type prunedContainers struct {
	ContainersDeleted []string
	SpaceReclaimed    int64
}

func (a *app) pruneContainers(filter pruneFilter) error {
	rows, err := listAll(true)
	if err != nil {
		return err
	}
	done := prunedContainers{ContainersDeleted: []string{}}
	var errs []error
	for _, r := range rows {
		if r.Foreground || r.Damage != "" || r.Status.Active() || !filter.match(r) {
			continue
		}
		freed, removed, err := pruneOne(r.ID)
		if errs = append(errs, err); removed {
			done.ContainersDeleted = append(done.ContainersDeleted, r.ID)
			done.SpaceReclaimed += freed
		}
	}
	if a.format == formatJSON {
		return errors.Join(append(errs, writeJSON(a.std.Out, done))...)
	}
	if len(done.ContainersDeleted) > 0 {
		fmt.Fprintf(a.std.Out, "Deleted Containers:\n%s\n\n", strings.Join(done.ContainersDeleted, "\n"))
	}
	fmt.Fprintf(a.std.Out, "Total reclaimed space: %s\n", formatBytes(done.SpaceReclaimed))
	return errors.Join(errs...)
}

// pruneOne removes one container, unless somebody has just started or removed it.
func pruneOne(id string) (freed int64, removed bool, err error) {
	t, err := locate(id)
	if errors.Is(err, ledger.ErrNotFound) || err == nil && t.state.Status.Active() {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	freed = sizeOf(t.book.Dir(id))
	if err := t.forget(); err != nil {
		return 0, false, err
	}
	return freed, true, nil
}

// sizeOf is how much the files below dir hold.
func sizeOf(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil
		}
		if info, err := entry.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return total
}

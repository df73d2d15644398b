package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/problem"
)

// inspectVerb is `safe-run inspect NAME...`.
func (a *app) inspectVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "inspect [flags] NAME|ID...", Short: "show all that is known of a container, or of an image", GroupID: groupManage,
		Long: "show all that is known of a container in JSON, in docker's names where docker has them; below SafeRun are " +
			"the profile and the decisions that its confinement came from. What is no container is looked for among the images.",
		Example: "  safe-run inspect site\n  safe-run inspect --format '{{.State.Pid}} {{json .Mounts}}' site",
		Args:    arguments(1, -1, "NAME"), DisableFlagsInUseLine: true, Annotations: templates,
		ValidArgsFunction: completeAllRunning,
	}
	kind := cmd.Flags().String("type", "", "look for a `KIND` only: container or image")
	cmd.Flags().StringP("f", "f", "", "") // docker's short form of --format
	cmd.Flags().Lookup("f").Hidden = true
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) (err error) {
		if f := cmd.Flags().Lookup("f"); f.Changed {
			if err = cmd.Flags().Set("format", f.Value.String()); err == nil {
				a.format, err = formatFor(cmd)
			}
		}
		return err
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		switch *kind {
		case "", "container", "image":
		default:
			return problem.New("write --type container or --type image", "--type: %.40q is neither", *kind)
		}
		if *kind == "image" {
			return a.inspectImages(args)
		}
		all, err := inspectAll(args)
		if err != nil && *kind == "" && len(all) == 0 && noneFound(err) {
			return a.inspectImages(args)
		}
		if a.format.isTemplate() && len(all) > 0 {
			return errors.Join(err, writeTemplate(a.std.Out, a.format, all))
		}
		return errors.Join(err, writeJSON(a.std.Out, orEmpty(all)))
	}
	return cmd
}

// inspectImages hands over to the program that knows images.
func (a *app) inspectImages(refs []string) error {
	args := []string{"inspect"}
	if a.format != formatTable {
		args = append(args, "--format", string(a.format))
	}
	return becomeFetcher(append(args, refs...))
}

// inspectAll looks at each; what cannot be found is an error, and the others
// are given all the same.
func inspectAll(refs []string) (all []inspection, err error) {
	var errs []error
	for _, ref := range refs {
		i, err := inspect(ref)
		if err != nil {
			errs = append(errs, asRoot(err))
			continue
		}
		all = append(all, i)
	}
	return all, errors.Join(errs...)
}

// noneFound says whether nothing was wrong but that there is no such container.
func noneFound(err error) bool {
	return err != nil && sandbox.IsNotFound(err)
}

// inspect looks at a container, whether it runs or the ledger knows it.
func inspect(ref string) (inspection, error) {
	live, notLive := sandbox.OpenLive(state.DefaultRoot, ref)
	if notLive == nil {
		defer live.Close()
	}
	kept, err := ledger.Open("")
	if err != nil {
		return inspection{}, err
	}
	id := ref
	if live != nil {
		id = live.ID()
	}
	known, how, notKept := kept.Find(id)
	switch {
	case live == nil && notKept != nil:
		if errors.Is(notKept, ledger.ErrNotFound) {
			return inspection{}, notLive
		}
		return inspection{}, notKept
	case live == nil:
		i := inspectKept(kept, known, how)
		i.addChecks(kept.Health(known.ID))
		return i, nil
	case notKept != nil:
		return inspectLive(live)
	}
	i, err := inspectLive(live)
	i.addKept(known, how)
	i.addChecks(kept.Health(known.ID))
	return i, err
}

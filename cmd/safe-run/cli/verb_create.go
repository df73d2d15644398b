package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

const createVerb = "create"

// createVerb is `safe-run create IMAGE`.
func (a *app) createVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create [flags] IMAGE [COMMAND...]", Short: "make a container to start later", GroupID: groupRun,
		Long: "make a container, print its id, and do not start it: safe-run start does. It has the flags of run. " +
			"Profile, image and plan are checked now; the profile, the floor and what this host can do are looked at again when it is started.",
		Example:               "  safe-run create --name job -v ./in:/in:ro oci:./job\n  safe-run start -a job",
		DisableFlagsInUseLine: true,
	}
	seen := a.runFlags(cmd)
	if f := cmd.Flags().Lookup("detach"); f != nil {
		f.Hidden = true
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if slices.ContainsFunc(*seen, func(o occurrence) bool { return o.name == "detach" }) {
			return usageError(problem.New("leave it out: safe-run start runs it in the background, and safe-run start -a does not", "create has no --detach"))
		}
		// What can be asked for is what can be asked for in the background.
		background := occurrence{"detach", "true", toggle(func(b *runBuilder) *bool { return &b.o.Detach })}
		o, err := a.options(append(*seen, background), args)
		if err != nil {
			return err
		}
		c, err := create(cmd.Context(), a.std, o)
		if err != nil {
			return asRoot(err)
		}
		if a.format == formatJSON {
			return writeJSON(a.std.Out, started{c.ID, c.Name})
		}
		_, err = fmt.Fprintln(a.std.Out, c.ID)
		return err
	}
	return cmd
}

// create writes a container into the ledger that has all that starting it needs.
func create(ctx context.Context, std IO, o runOptions) (c ledger.Container, err error) {
	id := sandbox.NewID()
	// It gets its range of ids when it starts; which one makes no difference to
	// whether the plan can be carried out.
	later := func(ids spec.IDRange, name string) (spec.Instance, *sandbox.Lease, error) {
		return spec.Instance{ID: id, Name: cmp.Or(name, shortID(id)), IDs: spec.IDRange{First: ids.First, Count: spec.IDsPerContainer}}, nil, nil
	}
	book, err := ledger.Open("")
	if err != nil {
		return c, err
	}
	p, err := prepare(ctx, std, o, later)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := sandbox.Possible(p.plan); err != nil {
		return c, err
	}
	c = recordOf(id, o, p)
	c.Kept = true
	if c.Dir, err = os.Getwd(); err != nil {
		return c, err
	}
	entry, err := book.Create(c)
	if err != nil {
		return c, err
	}
	c = entry.Container
	err = sandbox.NameFree(state.DefaultRoot, id, c.Name) // once nobody else can take it
	if err == nil {
		err = sandbox.KeepPlan(book, id, p.plan, p.plan.Network.Publish)
	}
	if err == nil {
		err = writeCID(o.CIDFile, id)
	}
	if err != nil {
		return c, errors.Join(err, entry.Remove())
	}
	book.Emit(c.Event(event.Create))
	return c, entry.Close()
}

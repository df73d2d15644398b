package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/event"
)

// gcVerb is `safe-run gc`.
func (a *app) gcVerb() *cobra.Command {
	return &cobra.Command{
		Use: "gc", Short: "remove what containers left whose launcher was killed", GroupID: groupManage,
		Long: "remove what containers left whose launcher was killed: control groups, network, ids, records and the sockets of pools; " +
			"and write down which detached containers are dead. " +
			"A container does so itself when it ends, whatever ends it; this is for a host that was out of memory or processes just then, or was switched off.",
		Example: "  safe-run gc",
		Args:    arguments(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			removed, err := sandbox.CollectAll(state.DefaultRoot)
			swept, died, serr := sweep()
			volumes, verr := sandbox.CollectVolumes(state.DefaultRoot)
			for _, c := range swept {
				removed = append(removed, sandbox.Collected{ID: c.ID, Name: c.Name})
			}
			pools, perr := sweepPools()
			err = asRoot(errors.Join(err, serr, verr, perr))
			if a.format == formatJSON {
				return errors.Join(err, writeJSON(a.std.Out, orEmpty(removed)))
			}
			for _, c := range removed {
				fmt.Fprintf(a.std.Out, "removed %s (%.12s)\n", printable(c.Name), c.ID)
			}
			for _, c := range died {
				fmt.Fprintf(a.std.Out, "dead: %s (%.12s)\n", printable(c.Name), c.ID)
			}
			for _, name := range volumes {
				fmt.Fprintf(a.std.Out, "removed volume %s\n", printable(name))
			}
			for _, name := range pools {
				fmt.Fprintf(a.std.Out, "removed pool %s\n", printable(name))
			}
			return err
		},
	}
}

// sweep makes what the ledger says true.
func sweep() (removed, died []ledger.Container, err error) {
	book, err := ledger.Open("")
	if err != nil {
		return nil, nil, err
	}
	removed, died, err = book.Sweep()
	for _, c := range removed {
		if c.AutoRemove { // others that go have never been told of
			book.Emit(c.Event(event.Destroy))
		}
	}
	return removed, died, err
}

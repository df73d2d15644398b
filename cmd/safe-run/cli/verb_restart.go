package cli

import (
	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// restartVerb is `safe-run restart NAME...`.
func (a *app) restartVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "restart [flags] NAME|ID...", Short: "stop containers and start them again", GroupID: groupManage,
		Example:               "  safe-run restart site\n  safe-run restart -t 1 site",
		Args:                  arguments(1, -1, "NAME"),
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     completeContainers,
	}
	grace := graceFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		g, err := grace()
		if err != nil {
			return err
		}
		return a.forEach("restarted", args, func(ref string) error {
			t, err := locate(ref)
			switch {
			case err != nil:
				return err
			case t.foreground:
				return problem.New("stop it, and start it where it ran", "%s runs in the foreground of a terminal", t.Name)
			case t.AutoRemove && t.state.Status.Active():
				return problem.New("stop it, and run it again", "%s was made with --rm, and goes when it ends", t.Name)
			}
			if err := t.stopAndTell(g); err != nil {
				return err
			}
			t.state.Status = ledger.Exited
			if err := t.start(a.std); err != nil {
				return err
			}
			t.tell(event.Restart)
			return nil
		})
	}
	return cmd
}

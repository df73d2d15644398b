package cli

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/problem"
)

// startVerb is `safe-run start NAME...`.
func (a *app) startVerb() *cobra.Command {
	return &cobra.Command{
		Use: "start NAME|ID...", Short: "start containers again that have ended", GroupID: groupManage,
		Long: "start containers again that have ended, in the background: the same image, command and flags. " +
			"What they wrote outside of mounts is gone, and the profile is read anew.",
		Example:               "  safe-run start site",
		Args:                  arguments(1, -1, "NAME"),
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     completeContainers,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.forEach("started", args, func(ref string) error {
				t, err := locate(ref)
				if err != nil {
					return err
				}
				return t.start(a.std)
			})
		},
	}
}

// start starts a container in the background; one that runs is left.
func (t target) start(std IO) error {
	if t.foreground || t.state.Status.Active() {
		return nil
	}
	if err := os.Chdir(t.Dir); err != nil {
		return problem.New("make it again, or make a new container", "the directory that %s was made in is gone: %w", t.Name, err)
	}
	_, err := order(std, Order{ID: t.ID, Adopt: true, Args: t.Args})
	var exit *exitError
	if errors.As(err, &exit) && exit.Err == nil {
		return &exitError{Code: 1} // the supervisor has said why
	}
	return err
}

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
			if err := t.stop(g); err != nil {
				return err
			}
			t.state.Status = ledger.Exited
			return t.start(a.std)
		})
	}
	return cmd
}

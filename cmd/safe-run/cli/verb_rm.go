package cli

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// rmVerb is `safe-run rm NAME...`.
func (a *app) rmVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rm [flags] NAME|ID...", Short: "remove containers that have ended, with their logs", GroupID: groupManage,
		Example:               "  safe-run rm job\n  safe-run rm -f $(safe-run ps -aq)",
		Args:                  arguments(1, -1, "NAME"),
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     completeContainers,
	}
	force := cmd.Flags().BoolP("force", "f", false, "kill it first when it runs")
	volumes := cmd.Flags().BoolP("volumes", "v", false, "remove its volumes that have no name, too")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.forEach("removed", args, func(ref string) error {
			had, _ := locate(ref) // what cannot be found has none
			err := remove(ref, *force)
			if *force && errors.Is(err, ledger.ErrNotFound) {
				a.report(err) // as docker has it: there is nothing left to do
				return errDone
			}
			if err == nil && *volumes {
				err = sandbox.RemoveAnonymous(state.DefaultRoot, had.Container)
			}
			return err
		})
	}
	return cmd
}

// remove forgets a container.
func remove(ref string, force bool) error {
	t, err := locate(ref)
	switch {
	case force && (errors.Is(err, ledger.ErrDamaged) || errors.Is(err, ledger.ErrNotFound)):
		return removeDamaged(ref)
	case err != nil:
		return err
	case (t.foreground || t.state.Status.Active()) && !force:
		return problem.New("stop it first: safe-run stop "+t.Name+"; or kill it too: safe-run rm -f "+t.Name, "%s cannot be removed: it is %s", t.Name, t.state.Status)
	case t.foreground:
		return t.kill(sigKill)
	case t.state.Status.Active():
		if err := t.kill(sigKill); err != nil {
			return err
		}
	}
	return t.forget()
}

// removeDamaged removes what is left of a record, or was never made to the end.
func removeDamaged(ref string) error {
	book, err := ledger.Open("")
	if err != nil {
		return err
	}
	id, err := book.Resolve(ref)
	if err != nil {
		return err
	}
	if err := book.Remove(id); err != nil {
		return err
	}
	book.Emit(ledger.Container{ID: id, Name: shortID(id)}.Event(event.Destroy))
	return nil
}

// forgetPatience is how long a supervisor takes between its container's end
// and its own.
const forgetPatience = 5 * time.Second

// forget removes a container from the ledger, with what its supervisor left if
// it was killed.
func (t target) forget() error {
	if err := sandbox.Leftover(state.DefaultRoot, t.ID); err != nil {
		return err
	}
	for deadline := time.Now().Add(forgetPatience); ; time.Sleep(5 * time.Millisecond) {
		err := t.book.Remove(t.ID)
		switch {
		case err == nil:
			t.tell(event.Destroy)
		case errors.Is(err, ledger.ErrNotFound):
			return nil // it was made with --rm
		case errors.Is(err, ledger.ErrRunning) && time.Now().Before(deadline):
			continue
		case errors.Is(err, ledger.ErrRunning):
			return problem.New("try again", "%s is just being started", t.Name)
		}
		return err
	}
}

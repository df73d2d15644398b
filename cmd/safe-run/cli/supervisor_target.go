package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/problem"
)

// target is a container that a verb is about: one of the ledger, or one that
// runs in the foreground of somebody's terminal.
type target struct {
	book *ledger.Ledger
	ledger.Container
	state ledger.State
	// foreground says that the ledger does not have it.
	foreground bool
}

// locate finds the container that ref means.
func locate(ref string) (target, error) {
	book, err := ledger.Open("")
	if err != nil {
		return target{}, err
	}
	t := target{book: book}
	t.Container, t.state, err = book.Find(ref)
	if err == nil && t.Name == ref {
		return t, nil
	}
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return t, err
	}
	info, noSandbox := sandbox.Lookup(state.DefaultRoot, ref)
	switch {
	case err == nil && noSandbox == nil && info.ID != t.ID:
		return t, problem.New("type more digits, or the name", "%q is the beginning of several containers' ids", ref)
	case err == nil:
		return t, nil
	case noSandbox != nil:
		return t, err
	}
	if c, s, err := book.Get(info.ID); err == nil {
		return target{book, c, s, false}, nil
	}
	t.foreground = true
	t.ID, t.Name, t.Image, t.Created = info.ID, info.Name, info.Image, info.Created
	t.state.Status = ledger.Status(info.Status)
	return t, nil
}

// errDone says that nothing was done, and that this is as it should be.
var errDone = errors.New("nothing to do")

// forEach does something to each container that is named, and prints the names
// of those that it was done to.
func (a *app) forEach(done string, refs []string, do func(ref string) error) error {
	var errs []error
	names := []string{}
	for _, ref := range refs {
		if err := do(ref); err != nil {
			if !errors.Is(err, errDone) {
				errs = append(errs, asRoot(err))
			}
			continue
		}
		names = append(names, ref)
		if a.format != formatJSON {
			fmt.Fprintln(a.std.Out, printable(ref))
		}
	}
	if a.format == formatJSON {
		errs = append(errs, writeJSON(a.std.Out, map[string][]string{done: names}))
	}
	return errors.Join(errs...)
}

// completeContainers completes the names of containers.
func completeContainers(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
	rows, _ := listAll(true)
	for _, r := range rows {
		names = append(names, r.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

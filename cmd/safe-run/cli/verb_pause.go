package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/state"
)

// pauseVerb is `safe-run pause NAME...`.
func (a *app) pauseVerb() *cobra.Command {
	return a.liveVerb(&cobra.Command{
		Use: "pause NAME|ID...", Short: "stop all processes of containers for a while",
		Long:    "stop all processes of containers for a while: they keep their memory, and notice nothing. `safe-run unpause` lets them go on.",
		Example: "  safe-run pause site",
	}, "paused", (*sandbox.Live).Pause)
}

// unpauseVerb is `safe-run unpause NAME...`.
func (a *app) unpauseVerb() *cobra.Command {
	return a.liveVerb(&cobra.Command{
		Use: "unpause NAME|ID...", Short: "let paused containers go on",
		Example: "  safe-run unpause site",
	}, "unpaused", (*sandbox.Live).Unpause)
}

// liveVerb completes a verb that does one thing to each container it is given.
func (a *app) liveVerb(cmd *cobra.Command, done string, do func(*sandbox.Live) error) *cobra.Command {
	cmd.GroupID, cmd.Args, cmd.DisableFlagsInUseLine = groupManage, arguments(1, -1, "NAME"), true
	cmd.ValidArgsFunction = completeAllRunning
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.eachLive(args, done, do) }
	return cmd
}

// eachLive does something to each container, and prints those that it did.
func (a *app) eachLive(refs []string, done string, do func(*sandbox.Live) error) error {
	var errs []error
	did := []string{}
	for _, ref := range refs {
		if err := withLive(ref, do); err != nil {
			errs = append(errs, err)
			continue
		}
		did = append(did, ref)
		if a.format != formatJSON {
			fmt.Fprintln(a.std.Out, printable(ref))
		}
	}
	if a.format == formatJSON {
		errs = append(errs, writeJSON(a.std.Out, map[string][]string{done: did}))
	}
	return errors.Join(errs...)
}

// withLive finds a running container and does something to it.
func withLive(ref string, do func(*sandbox.Live) error) error {
	live, err := sandbox.OpenLive(state.DefaultRoot, ref)
	if err != nil {
		return asRoot(err)
	}
	defer live.Close()
	return do(live)
}

// completeAllRunning completes the names of containers that run.
func completeAllRunning(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	return completeRunning(cmd, nil, word)
}

// liveVerbs are the verbs about containers that run, beside exec.
func (a *app) liveVerbs() []*cobra.Command {
	return []*cobra.Command{
		a.pauseVerb(), a.unpauseVerb(), a.topVerb(), a.statsVerb(), a.inspectVerb(), a.portVerb(), a.updateVerb(), a.renameVerb(), a.cpVerb(),
		a.diffVerb(), a.denialsVerb(),
	}
}

// liveVerbNames are their names.
var liveVerbNames = []string{"pause", "unpause", "top", "stats", "inspect", "port", "update", "rename", "cp", "diff", "denials"}

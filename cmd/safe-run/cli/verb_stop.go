package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/problem"
)

// stopVerb is `safe-run stop NAME...`.
func (a *app) stopVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "stop [flags] NAME|ID...", Short: "stop containers", GroupID: groupManage,
		Long:                  "stop containers: each gets its stop signal, and SIGKILL when it takes too long. An id may be shortened.",
		Example:               "  safe-run stop site\n  safe-run stop -t 1 3f2a",
		Args:                  arguments(1, -1, "NAME"),
		DisableFlagsInUseLine: true,
		ValidArgsFunction: func(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
			list, _ := sandbox.List(state.DefaultRoot)
			for _, s := range list {
				names = append(names, s.Name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	seconds := cmd.Flags().IntP("time", "t", 0, "`seconds` until SIGKILL (default: the container's own)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var grace *time.Duration
		if cmd.Flags().Changed("time") {
			if *seconds < 0 {
				return problem.New("write 0 or more", "--time %d is not a time span", *seconds)
			}
			grace = new(time.Duration(*seconds) * time.Second)
		}
		return a.stop(args, grace)
	}
	return cmd
}

func (a *app) stop(names []string, grace *time.Duration) error {
	var errs []error
	stopped := []string{}
	for _, name := range names {
		if err := sandbox.Stop(state.DefaultRoot, name, grace); err != nil {
			errs = append(errs, asRoot(err))
			continue
		}
		stopped = append(stopped, name)
	}
	if a.format == formatJSON {
		errs = append(errs, writeJSON(a.std.Out, map[string][]string{"stopped": stopped}))
		return errors.Join(errs...)
	}
	for _, name := range stopped {
		fmt.Fprintln(a.std.Out, printable(name))
	}
	return errors.Join(errs...)
}

package cli

import (
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// stopVerb is `safe-run stop NAME...`.
func (a *app) stopVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "stop [flags] NAME|ID...", Short: "stop containers", GroupID: groupManage,
		Long: "stop containers: each gets its stop signal, and SIGKILL when it takes too long. An id may be shortened. " +
			"A detached container is kept until it is removed, and is not started again by its restart policy.",
		Example:               "  safe-run stop site\n  safe-run stop -t 1 3f2a",
		Args:                  arguments(1, -1, "NAME"),
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     completeContainers,
	}
	grace := graceFlag(cmd)
	ignore := cmd.Flags().BoolP("ignore", "i", false, "say nothing of a container that is not there")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		g, err := grace()
		if err != nil {
			return err
		}
		return a.forEach("stopped", args, func(ref string) error {
			t, err := locate(ref)
			if errors.Is(err, ledger.ErrNotFound) && *ignore {
				return nil
			}
			if err != nil {
				return err
			}
			return t.stopAndTell(g)
		})
	}
	return cmd
}

// stopAndTell is stop as a verb: one that has ended already is not told of.
func (t target) stopAndTell(grace *time.Duration) error {
	err := t.stop(grace)
	if err == nil && (t.foreground || t.state.Status.Active()) {
		t.tell(event.Stop)
	}
	return err
}

// graceFlag declares --time, and gives what reads it.
func graceFlag(cmd *cobra.Command) func() (*time.Duration, error) {
	seconds := cmd.Flags().IntP("time", "t", 0, "`seconds` until SIGKILL (default: the container's own)")
	return func() (*time.Duration, error) {
		if !cmd.Flags().Changed("time") {
			return nil, nil
		}
		if *seconds < 0 || *seconds > int(maxGrace/time.Second) {
			return nil, problem.New("write 0 to 86400", "--time %d is not a time span", *seconds)
		}
		return new(time.Duration(*seconds) * time.Second), nil
	}
}

const maxGrace = 24 * time.Hour

// stopPatience is how long a supervisor may take to clean up after its
// container, before it is killed and its warden does so.
const stopPatience = 30 * time.Second

// stop ends a container, and returns when it has ended. One that has is left.
func (t target) stop(grace *time.Duration) error {
	if t.foreground {
		return sandbox.Stop(state.DefaultRoot, t.ID, grace)
	}
	if !t.state.Status.Active() {
		return nil
	}
	r, longest := request{Verb: "stop"}, t.StopTimeout
	if grace != nil {
		longest = *grace
		r.Grace = new(longest.Milliseconds())
	}
	conn, err := ask(t.book, t.ID, r)
	if err != nil {
		return t.settled(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(longest + stopPatience))
	_, err = awaitEnd(conn)
	return t.settled(err)
}

// settled passes over an error of a supervisor that has ended meanwhile.
func (t target) settled(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	_, s, gone := t.book.Get(t.ID)
	if errors.Is(gone, ledger.ErrNotFound) || gone == nil && !s.Status.Active() {
		return nil
	}
	return problem.New("kill its supervisor, which safe-run-supervisor in `ps ax` is, and run `safe-run gc`", "%s has not ended: %w", t.Name, err)
}

package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/problem"
)

// waitVerb is `safe-run wait NAME...`.
func (a *app) waitVerb() *cobra.Command {
	var condition string
	cmd := &cobra.Command{
		Use: "wait [flags] NAME|ID...", Short: "wait until containers have ended, and print their exit codes", GroupID: groupManage,
		Example:               "  safe-run wait job\n  safe-run wait --condition healthy site",
		Args:                  arguments(1, -1, "NAME"),
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     completeContainers,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := checkCondition(condition); err != nil {
				return usageError(err)
			}
			var errs []error
			codes := []waited{}
			for _, ref := range args {
				code, err := waitUntil(ref, condition)
				if err != nil {
					errs = append(errs, asRoot(err))
					continue
				}
				codes = append(codes, waited{ref, code})
				if a.format != formatJSON {
					fmt.Fprintln(a.std.Out, code)
				}
			}
			if a.format == formatJSON {
				errs = append(errs, writeJSON(a.std.Out, codes))
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().StringVar(&condition, "condition", "", "wait until they are in a `STATE` and print -1: "+strings.Join(conditions, ", "))
	return cmd
}

func waitUntil(ref, condition string) (int, error) {
	if condition == "" {
		return wait(ref)
	}
	return waitFor(ref, condition)
}

// waited is one container's exit code.
type waited struct {
	Name     string `json:"name"`
	ExitCode int    `json:"exitCode"`
}

// wait waits for the end of a container.
func wait(ref string) (int, error) {
	t, err := locate(ref)
	if err != nil {
		return 0, err
	}
	if t.foreground {
		err := sandbox.Await(state.DefaultRoot, t.ID)
		return 0, errors.Join(err, problem.New("it is the exit code of what started it", "%s ran in the foreground: its exit code is not kept", t.Name))
	}
	if t.state.Status.Active() {
		if end, err := t.wait(); err == nil {
			return end.ExitCode, nil
		}
		// Its supervisor ended without an answer: the ledger knows.
		if _, t.state, err = t.book.Get(t.ID); err != nil {
			return 0, err
		}
		if t.state.Status.Active() {
			return 0, problem.New("`safe-run ps -a` shows how it is", "the supervisor of %s does not answer", t.Name)
		}
	}
	if t.state.Status == ledger.Created {
		return 0, notRunning(t)
	}
	return t.state.ExitCode, nil
}

func (t target) wait() (ledger.State, error) {
	conn, err := ask(t.book, t.ID, request{Verb: "wait"})
	if err != nil {
		return ledger.State{}, err
	}
	defer conn.Close()
	return awaitEnd(conn)
}

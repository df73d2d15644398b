package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/problem"
)

// healthcheckVerb is `safe-run healthcheck`, with podman's verb below it.
func (a *app) healthcheckVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "healthcheck VERB", Short: "see whether containers do their work", GroupID: groupManage,
		Long: "see whether containers do their work. A container in the background is checked by itself, as its image, its profile " +
			"(health) or --health-cmd says; `safe-run ps` shows how it is, and `safe-run inspect` what the last checks said.",
		Example:               "  safe-run healthcheck run site",
		DisableFlagsInUseLine: true,
		Args:                  cobra.NoArgs,
		RunE:                  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use: "run NAME|ID", Short: "check a container now",
		Long: "check a container now, beside the checks that are made anyway. It counts as one of them. The exit code is 0 when it " +
			"was passed, and 1 when it was not.",
		Example: "  safe-run healthcheck run site",
		Args:    arguments(1, 1, "NAME"), DisableFlagsInUseLine: true,
		ValidArgsFunction: completeAllRunning,
		RunE:              func(_ *cobra.Command, args []string) error { return a.checkHealth(args[0]) },
	})
	return cmd
}

// checkHealth has a container checked and says what came of it.
func (a *app) checkHealth(ref string) error {
	t, err := locate(ref)
	if err != nil {
		return asRoot(err)
	}
	switch {
	case t.foreground:
		return problem.New("start it with -d", "%s runs in the foreground, and is not checked", t.Name)
	case !t.state.Status.Active():
		return notRunning(t)
	case t.state.Status == ledger.Paused:
		return problem.New("safe-run unpause "+t.Name, "%s is paused, and not checked", t.Name)
	case t.state.Health == "":
		return problem.New("start it with --health-cmd, or from an image that has one", "%s has no health check", t.Name)
	}
	conn, err := ask(t.book, t.ID, request{Verb: "health"})
	if err != nil {
		return err
	}
	defer conn.Close()
	kind, data, err := answerOf(conn)
	var check ledger.Check
	if err == nil && (kind != frameHealth || json.Unmarshal(data, &check) != nil) {
		err = problem.New("restart it with this version", "the supervisor of %s speaks another language", t.Name)
	}
	if err != nil {
		return problem.New(problem.HintOf(err), "%s: %w", t.Name, err)
	}
	if a.format == formatJSON {
		if err := writeJSON(a.std.Out, inspectedResult(check)); err != nil {
			return err
		}
	} else if text := check.Output; text != "" {
		fmt.Fprint(a.std.Out, text)
		if text[len(text)-1] != '\n' {
			fmt.Fprintln(a.std.Out)
		}
	}
	if check.ExitCode != 0 {
		return &exitError{Code: 1}
	}
	return nil
}

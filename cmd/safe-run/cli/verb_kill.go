package cli

import (
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// killVerb is `safe-run kill NAME...`.
func (a *app) killVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "kill [flags] NAME|ID...", Short: "send a signal to containers", GroupID: groupManage,
		Long:                  "send a signal to the first process of containers: SIGKILL, unless another is named.",
		Example:               "  safe-run kill site\n  safe-run kill -s HUP site",
		Args:                  arguments(1, -1, "NAME"),
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     completeContainers,
	}
	name := cmd.Flags().StringP("signal", "s", "KILL", "the `SIGNAL`, by name or number")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		sig, err := parseSignal(*name)
		if err != nil {
			return err
		}
		return a.forEach("killed", args, func(ref string) error {
			t, err := locate(ref)
			if err != nil {
				return err
			}
			return t.kill(sig)
		})
	}
	return cmd
}

// parseSignal reads a signal by name or number.
func parseSignal(text string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(text); err == nil {
		if n < 1 || n > 64 {
			return 0, problem.New("write a name, as in -s TERM, or a number from 1 to 64", "there is no signal %d", n)
		}
		return syscall.Signal(n), nil
	}
	name, err := profiles.ParseSignal(text)
	if err != nil {
		return 0, err
	}
	sig, ok := sandbox.SignalNumber(string(name))
	if !ok {
		return 0, problem.New("write its number", "this system has no signal %.30q", text)
	}
	return sig, nil
}

// kill sends a signal. SIGKILL is waited for, as what follows often needs the
// name.
func (t target) kill(sig syscall.Signal) error {
	if t.foreground {
		if sig == sigKill { // other signals the launcher tells of itself
			t.tell(event.Kill, "signal", "9")
		}
		return sandbox.Signal(state.DefaultRoot, t.ID, sig)
	}
	if t.state.Status != ledger.Running && t.state.Status != ledger.Paused && t.state.Status != ledger.Restarting {
		return notRunning(t)
	}
	if sig == sigKill {
		return t.stop(new(noGrace))
	}
	conn, err := ask(t.book, t.ID, request{Verb: "signal", Signal: int(sig)})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, _, err = answerOf(conn)
	return err
}

// noGrace is SIGKILL at once.
const noGrace time.Duration = 0

func notRunning(t target) error {
	return problem.New("start it: safe-run start "+t.Name, "%s does not run: it is %s", t.Name, t.state.Status)
}

package cli

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/problem"
)

// startOptions is what a command line of start asks for.
type startOptions struct {
	attach, interactive, all bool
	keys                     []byte
	filter                   psFilter
}

// startVerb is `safe-run start NAME...`.
func (a *app) startVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "start [flags] NAME|ID...", Short: "start containers that were created or have ended", GroupID: groupManage,
		Long: "start containers that were created or have ended, in the background: the same image, command and flags. " +
			"What they wrote outside of mounts is gone, and the profile is read anew. " +
			"With -a it stays until the container ends, and its exit code is the container's. " +
			"With --all it starts all that do not run and match the filters, but not what has the restart policy unless-stopped and was stopped by somebody.",
		Example:               "  safe-run start site\n  safe-run start -ai shell\n  safe-run start --all --filter restart-policy=always",
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     completeContainers,
	}
	var o startOptions
	f := cmd.Flags()
	f.BoolVarP(&o.attach, "attach", "a", false, "stay, and pass on what it writes, signals, and its exit code")
	f.BoolVarP(&o.interactive, "interactive", "i", false, "attach, and pass standard input on")
	f.BoolVar(&o.all, "all", false, "start every container that does not run")
	keys := f.String("detach-keys", defaultDetachKeys, "`KEYS` that leave an attached container running")
	filters := f.StringArray("filter", nil, "with --all, only those that match `KEY=VALUE`, as in ps, for example restart-policy=always")
	f.Lookup("filter").Shorthand = "f"
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if o.all {
			return arguments(0, 0, "")(cmd, args)
		}
		return arguments(1, -1, "NAME")(cmd, args)
	}
	cmd.RunE = func(_ *cobra.Command, args []string) (err error) {
		if o.keys, err = parseDetachKeys(*keys); err != nil {
			return problem.New(problem.HintOf(err), "--detach-keys: %w", err)
		}
		if o.filter, err = parseFilters(*filters); err != nil {
			return err
		}
		return a.start(o, args)
	}
	return cmd
}

func (a *app) start(o startOptions, refs []string) error {
	attached := o.attach || o.interactive
	switch {
	case attached && (o.all || len(refs) != 1):
		return usageError(problem.New("start them without -a, and attach to one", "-a and -i are for one container"))
	case len(o.filter) > 0 && !o.all:
		return usageError(problem.New("add --all, or leave it out", "--filter chooses among all containers"))
	case attached:
		return asRoot(startAttached(a.std, refs[0], o))
	case o.all:
		var err error
		if refs, err = startable(o.filter); err != nil {
			return asRoot(err)
		}
	}
	return a.forEach("started", refs, func(ref string) error {
		t, err := locate(ref)
		if err != nil {
			return err
		}
		return t.start(a.std)
	})
}

// startable names the containers that --all is about. The oldest come first: what
// was made later may need them.
func startable(filter psFilter) (names []string, err error) {
	rows, err := listAll(true)
	for i := len(rows) - 1; i >= 0; i-- {
		r := rows[i]
		left := r.Restart == restartUnlessStopped && r.Stopped
		if !r.Foreground && !r.Status.Active() && !left && filter.match(r) {
			names = append(names, r.Name)
		}
	}
	return names, err
}

// start starts a container in the background; one that runs is left.
func (t target) start(std IO) error {
	if t.foreground || t.state.Status.Active() {
		return nil
	}
	return t.order(std, Order{})
}

// order has a supervisor start the container.
func (t target) order(std IO, o Order) error {
	if err := os.Chdir(t.Dir); err != nil {
		return problem.New("make it again, or make a new container", "the directory that %s was made in is gone: %w", t.Name, err)
	}
	o.ID, o.Adopt, o.Args = t.ID, true, t.Args
	_, err := order(std, o)
	var exit *exitError
	if errors.As(err, &exit) && exit.Err == nil {
		return &exitError{Code: 1} // the supervisor has said why
	}
	return err
}

// startAttached starts a container with this process at its streams from the
// very beginning, and stays until it ends. To one that runs it attaches.
func startAttached(std IO, ref string, o startOptions) error {
	t, err := locate(ref)
	if err != nil {
		return err
	}
	at := attachment{std: std, keys: o.keys, input: o.interactive, proxy: !t.Terminal}
	if t.foreground || t.state.Status.Active() {
		std.served.found(t.Name)
		return attach(std, ref, at)
	}
	conn, theirs, err := handedOver()
	if err != nil {
		return err
	}
	defer conn.Close()
	at.conn, at.input, at.once = conn, at.input && t.OpenStdin, t.Kept && !t.Terminal
	signals := newRelay()
	defer signals.stop()
	err = t.order(std, Order{attach: theirs, relay: signals})
	theirs.Close()
	if err != nil {
		return err
	}
	t.state.Status = ledger.Running
	signals.pass(at.signal)
	at.proxy = false // they are passed on already
	if err := at.raw(t.Terminal); err != nil {
		return err
	}
	defer at.restore()
	return at.relay(t)
}

package cli

import (
	"errors"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

const execVerb = "exec"

// execOptions is what a command line of exec asks for.
type execOptions struct {
	Container  string
	Request    spec.ExecRequest
	Stdin      bool
	Detach     bool
	DetachKeys []byte
}

// execFlags are the flags of exec as they are typed.
type execFlags struct {
	stdin, tty, detach, privileged bool
	env, envFiles                  []string
	workdir, user, detachKeys      string
}

// execVerb is `safe-run exec NAME COMMAND...`.
func (a *app) execVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "exec [flags] NAME|ID COMMAND [ARGUMENT...]", Short: "run a further program in a container that runs", GroupID: groupManage,
		Long: "run a further program in a container that runs. It is confined as the first one is: the same capabilities, " +
			"system call filter, limits, namespaces and files; no flag gives it more. It gets the container's environment, and nothing of yours.\n\n" +
			"The exit code is the program's; 128 and its number when a signal ended it; 126 when the program cannot be run, " +
			"127 when it is not there, 125 when the container could not be joined. When safe-run itself is killed, so is the program.",
		Example: "  safe-run exec -it site sh\n  safe-run exec -e DEBUG=1 -w /srv site ./check\n  safe-run exec -d site /bin/reload",
		Args:    arguments(2, -1, "NAME COMMAND"), DisableFlagsInUseLine: true,
		ValidArgsFunction: completeRunning,
	}
	var f execFlags
	fs := cmd.Flags()
	fs.SetInterspersed(false) // what follows the container belongs to the command
	fs.BoolVarP(&f.stdin, "interactive", "i", false, "keep standard input open")
	fs.BoolVarP(&f.tty, "tty", "t", false, "give the program a terminal")
	fs.BoolVarP(&f.detach, "detach", "d", false, "do not wait for the program; what it writes is not kept")
	fs.StringArrayVarP(&f.env, "env", "e", nil, "set a variable, as `NAME[=VALUE]`; without a value it is passed on")
	fs.StringArrayVar(&f.envFiles, "env-file", nil, "set the variables in a `FILE` of NAME=VALUE lines")
	fs.StringVarP(&f.workdir, "workdir", "w", "", "`DIR` to start in (default: the container's)")
	fs.StringVarP(&f.user, "user", "u", "", "`USER[:GROUP]` to run as, by number or by name in the container (default: the container's)")
	fs.StringVar(&f.detachKeys, "detach-keys", defaultDetachKeys, "`KEYS` that leave a program with a terminal running")
	fs.BoolVar(&f.privileged, "privileged", false, "")
	fs.Lookup("privileged").Hidden = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := f.options(args, os.LookupEnv)
		if err == nil {
			err = checkExecInput(a.std, o)
		}
		if err != nil {
			return launcherError(err)
		}
		return a.exec(cmd, o)
	}
	return cmd
}

// completeRunning completes the name of a container that runs.
func completeRunning(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	list, _ := sandbox.List(state.DefaultRoot)
	for _, s := range list {
		names = append(names, s.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// options reads flags and arguments that were taken apart.
func (f *execFlags) options(args []string, lookup func(string) (string, bool)) (o execOptions, err error) {
	if f.privileged {
		return o, problem.New("give the container what it needs when it is started: safe-run explain shows what it has",
			"--privileged: a further program has no more rights than the container")
	}
	if o.DetachKeys, err = parseDetachKeys(f.detachKeys); err != nil {
		return o, problem.New(problem.HintOf(err), "--detach-keys: %w", err)
	}
	for _, name := range f.envFiles {
		data, err := policies.ReadBounded(name, maxEnvFile)
		if err == nil {
			var env []string
			env, err = parseEnvFile(name, data, lookup)
			o.Request.Env = append(o.Request.Env, env...)
		}
		if err != nil {
			return o, problem.New(problem.HintOf(err), "--env-file: %w", err)
		}
	}
	for _, text := range f.env {
		entry, given, err := parseEnv(text, lookup)
		if err != nil {
			return o, problem.New(problem.HintOf(err), "--env: %w", err)
		}
		if given {
			o.Request.Env = append(o.Request.Env, entry)
		}
	}
	o.Container, o.Request.Args = args[0], args[1:]
	o.Request.WorkingDir, o.Request.User, o.Request.Terminal = f.workdir, f.user, f.tty
	o.Stdin, o.Detach = f.stdin && !f.detach, f.detach
	return o, nil
}

// checkExecInput is checkInput for exec.
func checkExecInput(std IO, o execOptions) error {
	if o.Detach {
		return nil
	}
	return checkInput(std, runOptions{TTY: o.Request.Terminal, Stdin: o.Stdin})
}

// exec runs the program and gives its exit code.
func (a *app) exec(cmd *cobra.Command, o execOptions) error {
	ctx, signals := catchSignals(cmd.Context(), true)
	defer signals.stop()
	live, err := sandbox.OpenLive(state.DefaultRoot, o.Container)
	if err != nil {
		return launcherError(asRoot(err))
	}
	c := a.execCommand(live, o)
	started := make(chan error, 1)
	go func() { started <- c.Start() }()
	select {
	case err = <-started:
	case <-ctx.Done():
		// It may hang, where somebody has just paused the container. What has
		// been begun ends with this process.
		return signals.instead(errors.New("interrupted"))
	}
	defer live.Close()
	switch {
	case err != nil:
		err = signals.instead(err)
	case o.Detach:
		err = a.leave(c)
	default:
		err = a.attendExec(o, c, signals)
	}
	return errors.Join(err, launcherError(c.Close()))
}

// execCommand is the program that o asks for.
func (a *app) execCommand(live *sandbox.Live, o execOptions) *sandbox.ExecCmd {
	c := &sandbox.ExecCmd{Live: live, Request: o.Request, Detached: o.Detach, Size: terminalSize(a.std, o)}
	if !o.Detach {
		c.Stdout, c.Stderr = a.std.Out, a.std.Err
	}
	if o.Stdin {
		c.Stdin = a.std.In
	}
	return c
}

// leave lets a detached program go on.
func (a *app) leave(c *sandbox.ExecCmd) error {
	if c.Terminal() == nil {
		return nil
	}
	return launcherError(c.Leave())
}

// attendExec stays with the program until it ends, or the user detaches.
func (a *app) attendExec(o execOptions, c *sandbox.ExecCmd, signals *signals) error {
	detached := make(chan struct{}, 1)
	terminal := runOptions{Stdin: o.Stdin, DetachKeys: o.DetachKeys}
	session, err := attachTerminal(a.std, c.Terminal(), terminal, func() { detached <- struct{}{} })
	if err != nil {
		_ = c.Signal(sigKill)
		_, waited := c.Wait()
		return errors.Join(launcherError(err), waited)
	}
	signals.forward(c)
	type end struct {
		exit sandbox.Exit
		err  error
	}
	ended := make(chan end, 1)
	go func() {
		exit, err := c.Wait()
		ended <- end{exit, err}
	}()
	select {
	case <-detached:
		session.restore()
		return launcherError(c.Leave())
	case e := <-ended:
		session.finish()
		if e.err != nil {
			return launcherError(explainExec(c.Live.Plan, e.err))
		}
		return tellExec(e.exit)
	}
}

// tellExec turns the program's end into ours. It needs no words: a signal's
// number is in the code, as in docker.
func tellExec(exit sandbox.Exit) error {
	switch {
	case exit.OutputLost != nil:
		return lostOutput(exit)
	case exit.Code != 0:
		return &exitError{Code: exit.Code}
	}
	return nil
}

// terminalSize is the size of the user's terminal, when the program gets one.
func terminalSize(std IO, o execOptions) *specs.Box {
	if !o.Request.Terminal {
		return nil
	}
	width, height, err := term.GetSize(int(std.In.Fd()))
	if err != nil {
		return nil
	}
	return &specs.Box{Width: uint(width), Height: uint(height)}
}

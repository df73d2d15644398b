package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/guard/lsm"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/audit/host"
	"github.com/safe-run/safe-run/spec/problem"
)

// The words after guard.
const (
	guardOn     = "on"
	guardOff    = "off"
	guardStatus = "status"
)

// guardVerb is `safe-run guard`, the administrator's switch.
func (a *app) guardVerb() *cobra.Command {
	return &cobra.Command{
		Use:   "guard {on | off | status}",
		Short: "have the kernel refuse containers a second time what their filters refuse",
		Long: `load programs of the BPF security module into the kernel (Linux 6.1 or later with
lsm=...,bpf) that refuse the processes of a container what its filter and its masks
refuse, where the kernel is about to do it. Containers that start while the guard is
on are under it, with all that they start, until it is switched off; nobody else is,
but each socket, file and process that is made or opened on this host is looked at.
It is pinned below /sys/fs/bpf/safe-run and ends with the next boot. A container that
cannot be put under it does not start, unless it is run with --accept guard.`,
		Example:               "  safe-run guard on\n  safe-run guard status\n  safe-run guard off",
		DisableFlagsInUseLine: true,
		ValidArgs:             []string{guardOn, guardOff, guardStatus},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage{problem.New("choose one of: on, off, status", "%s needs one word", cmd.Name())}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			switch args[0] {
			case guardOn:
				return a.switchOn()
			case guardOff:
				return a.switchOff()
			case guardStatus:
				return a.guardState()
			}
			return usage{problem.New("choose one of: on, off, status", "guard: there is no %q", args[0])}
		},
	}
}

func (a *app) switchOn() error {
	fresh, err := lsm.On()
	if err != nil {
		return err
	}
	if !fresh {
		fmt.Fprintln(a.std.Out, "the guard was on already")
		return nil
	}
	fmt.Fprintln(a.std.Out, "the guard is on: containers that start from now on are under it")
	if names := running(); len(names) > 0 {
		fmt.Fprintf(a.std.Out, "not under it, until they are started anew: %s\n", strings.Join(names, ", "))
	}
	return nil
}

func (a *app) switchOff() error {
	names := running()
	was, err := lsm.Off()
	switch {
	case err != nil:
		return err
	case !was:
		fmt.Fprintln(a.std.Out, "the guard was off already")
		return nil
	}
	fmt.Fprintln(a.std.Out, "the guard is off")
	if len(names) > 0 {
		fmt.Fprintf(a.std.Out, "held by their filters alone from now on: %s\n", strings.Join(names, ", "))
	}
	return nil
}

// running are the names of the containers that run.
func running() []string {
	store := &state.Store{Root: state.DefaultRoot}
	ids, err := store.List()
	if err != nil {
		return nil // nothing was ever run
	}
	var out []string
	for _, id := range ids {
		// One that cannot be read is just being made or removed.
		if rec, err := store.Load(id); err == nil && rec.Alive() {
			out = append(out, rec.Name)
		}
	}
	slices.Sort(out)
	return out
}

// guardState says what there is. The exit code is 1 where the guard is not on, or
// cannot be.
func (a *app) guardState() error {
	state, err := lsm.Look()
	switch {
	case err != nil:
		return err
	case state.On && !state.Same:
		return lsm.Other()
	case state.On:
		fmt.Fprintf(a.std.Out, "on: asked at %s\n", strings.Join(state.Hooks, ", "))
		fmt.Fprintf(a.std.Out, "refuses as far as a profile does: %s, %d paths, address families and protocols of netlink\n",
			strings.Join(spec.GuardClasses(), ", "), len(spec.GuardPaths()))
		return nil
	}
	if err := lsm.Try(); err != nil {
		fmt.Fprintln(a.std.Out, "off, and cannot be switched on")
		return err
	}
	fmt.Fprintln(a.std.Out, "off; safe-run guard on switches it on")
	return errNo
}

// guardFacts is the guard as the doctor sees it.
func guardFacts() host.Guard {
	state, err := lsm.Look()
	switch {
	case err == nil && state.On && state.Same:
		return host.Guard{On: true}
	case err == nil && state.On:
		err = lsm.Other()
	case err == nil:
		err = lsm.Try()
	}
	if err == nil {
		return host.Guard{Possible: true}
	}
	return host.Guard{Why: err.Error(), Mend: problem.HintOf(err)}
}

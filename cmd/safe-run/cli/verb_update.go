package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// updateVerb is `safe-run update NAME...`.
func (a *app) updateVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update [flags] NAME|ID...", Short: "change limits and restart policies of containers", GroupID: groupManage,
		Long: "change limits and restart policies of containers, at once and for when they are started again. Like the same flags of run " +
			"they may loosen what the profile says, and not what the administrator's floor allows.",
		Example: "  safe-run update --memory 1g --cpus 2 site\n  safe-run update --restart on-failure:3 site",
		Args:    arguments(1, -1, "NAME"), DisableFlagsInUseLine: true,
		ValidArgsFunction: completeContainers,
	}
	f := cmd.Flags()
	memory := f.StringP("memory", "m", "", "memory, a `SIZE` such as 512m")
	cpus := f.String("cpus", "", "processors, a number `N` such as 0.5")
	pids := f.String("pids-limit", "", "processes and threads, at most `N`")
	policy := f.String("restart", "", "restart `POLICY`: no, on-failure[:MAX], always or unless-stopped")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		typed := map[string]string{"memory": *memory, "cpus": *cpus, "pids-limit": *pids}
		var restart *ledger.Restart
		if *policy != "" {
			r, err := parseRestart(*policy)
			if err != nil {
				return problem.New(problem.HintOf(err), "--restart: %w", err)
			}
			restart = &r
		}
		limits, err := updateLimits(typed)
		if err != nil && (restart == nil || !errors.Is(err, errNoLimit)) {
			return err
		}
		return a.forEach("updated", args, func(ref string) error { return update(ref, limits, restart) })
	}
	return cmd
}

// update changes a container, where it runs and where it is written down.
func update(ref string, limits ledger.Limits, restart *ledger.Restart) error {
	t, err := locate(ref)
	switch {
	case err != nil:
		return err
	case t.foreground && restart != nil:
		return problem.New("leave --restart out, or run it with -d", "%s runs in the foreground, and ends with its launcher", t.Name)
	case restart != nil && restart.Policy != restartNo && t.AutoRemove:
		return problem.New("make it again without --rm", "%s was made with --rm, and goes when it ends", t.Name)
	}
	limited := limits != ledger.Limits{}
	if limited && (t.foreground || t.state.Status == ledger.Running || t.state.Status == ledger.Paused) {
		if err := withLive(t.ID, func(live *sandbox.Live) error { return live.SetLimits(limits) }); err != nil {
			return err
		}
	} else {
		defer t.tell(event.Update)
	}
	if t.foreground {
		return nil
	}
	return t.book.Update(t.ID, func(c *ledger.Container) error {
		c.Limits = limits.Over(c.Limits)
		if restart != nil {
			c.Restart = *restart
		}
		return nil
	})
}

// changed lays limits that were changed since over those of the command line.
func (o *runOptions) changed(limits ledger.Limits) {
	r := &o.Layer.Resources
	note := func(path, flag string) {
		o.Layer.Origins[path] = profiles.Origin{Source: "flag " + flag + " of safe-run update", Why: "changed with safe-run update"}
	}
	if limits.Memory != 0 {
		r.Memory = new(profiles.Bytes(limits.Memory))
		note("resources.memory", "--memory")
	}
	if limits.MilliCPU != 0 {
		r.CPUs = new(profiles.MilliCPU(limits.MilliCPU))
		note("resources.cpus", "--cpus")
	}
	if limits.Pids != 0 {
		r.Pids = new(limits.Pids)
		note("resources.pids", "--pids-limit")
	}
}

// errNoLimit says that no limit is asked for.
var errNoLimit = errors.New("none is given")

// updateFlags reads the flags as run does.
var updateFlags = map[string]func(*runBuilder, string) error{
	"memory": (*runBuilder).memory, "cpus": (*runBuilder).cpus, "pids-limit": (*runBuilder).pids,
}

// updateLimits gives the limits that are typed, when the floor allows them.
func updateLimits(typed map[string]string) (limits sandbox.Limits, err error) {
	b := runBuilder{}
	b.o.Layer.Origins = profiles.Origins{}
	asked := false
	for _, name := range []string{"memory", "cpus", "pids-limit"} {
		if typed[name] == "" {
			continue
		}
		asked, b.flag = true, "--"+name
		if err := updateFlags[name](&b, typed[name]); err != nil {
			return limits, b.fail(err)
		}
	}
	if !asked {
		return limits, problem.New("write one, for example --memory 1g", "update changes --memory, --cpus, --pids-limit or --restart, and %w", errNoLimit)
	}
	floor, err := policies.Here.Floor()
	if err != nil {
		return limits, err
	}
	if err := limitsWithin(b.o.Layer, floor); err != nil {
		return limits, err
	}
	r := b.o.Layer.Resources
	if r.Memory != nil {
		limits.Memory = int64(*r.Memory)
	}
	if r.CPUs != nil {
		limits.MilliCPU = int64(*r.CPUs)
	}
	if r.Pids != nil {
		limits.Pids = *r.Pids
	}
	return limits, nil
}

// limitsWithin compares the limits of layer, and nothing else, with the floor.
func limitsWithin(layer profiles.Profile, floor *profiles.Profile) error {
	if floor == nil {
		return nil
	}
	p, bound := profiles.Profile{Resources: floor.Resources}, profiles.Profile{Resources: floor.Resources, Origins: floor.Origins}
	p.Origins = layer.Origins
	if r := layer.Resources; r.Memory != nil {
		p.Resources.Memory = r.Memory
	}
	if r := layer.Resources; r.CPUs != nil {
		p.Resources.CPUs = r.CPUs
	}
	if r := layer.Resources; r.Pids != nil {
		p.Resources.Pids = r.Pids
	}
	err := belowFloor(p, bound)
	if err == nil {
		return nil
	}
	return problem.New(problem.HintOf(err), "%s", strings.TrimPrefix(err.Error(), "flag "))
}

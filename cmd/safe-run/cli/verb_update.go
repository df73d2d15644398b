package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/spec/problem"
)

// updateVerb is `safe-run update NAME...`.
func (a *app) updateVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update [flags] NAME|ID...", Short: "change limits of containers that run", GroupID: groupManage,
		Long: "change limits of containers that run. Like the same flags of run they may loosen what the profile says, " +
			"and not what the administrator's floor allows. They last until the container ends.",
		Example: "  safe-run update --memory 1g --cpus 2 site\n  safe-run update --pids-limit 64 site",
		Args:    arguments(1, -1, "NAME"), DisableFlagsInUseLine: true,
		ValidArgsFunction: completeAllRunning,
	}
	f := cmd.Flags()
	memory := f.StringP("memory", "m", "", "memory, a `SIZE` such as 512m")
	cpus := f.String("cpus", "", "processors, a number `N` such as 0.5")
	pids := f.String("pids-limit", "", "processes and threads, at most `N`")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		limits, err := updateLimits(map[string]string{"memory": *memory, "cpus": *cpus, "pids-limit": *pids})
		if err != nil {
			return err
		}
		return a.eachLive(args, "updated", func(live *sandbox.Live) error { return live.SetLimits(limits) })
	}
	return cmd
}

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
		return limits, problem.New("write one, for example --memory 1g", "update changes --memory, --cpus or --pids-limit, and none is given")
	}
	floor, err := readFloor()
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

package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/doctor"
	"github.com/safe-run/safe-run/sandbox/probe"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/audit/host"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/report"
)

func (a *app) doctorVerb() *cobra.Command {
	var o reportFlags
	cmd := &cobra.Command{
		Use:   "doctor [flags]",
		Short: "look at this host: what weakens it, and the next step",
		Long: `look at this host: the kernel and what it can do, control groups, security
modules, sysctls, ids, the versions of container runtimes, sockets of engines,
safe-run's own directories, and what was left behind. Nothing is changed. The exit
code is 1 when something is as bad as --fail-on, or worse.`,
		Example:               "  safe-run doctor\n  safe-run doctor --verbose\n  safe-run doctor --format json --fail-on medium",
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage{problem.New("see "+cmd.CommandPath()+" --help", "%q is not expected", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, _, err := o.check(); err != nil {
				return err
			}
			facts := doctor.Look(cmd.Context(), doctor.Where{Path: os.Getenv("PATH")}, probe.Host())
			facts.Dead = dead(state.DefaultRoot)
			facts.Guard = guardFacts()
			return a.judged(&o, report.Findings{Kind: "doctor", Subject: "this host", Findings: host.Judge(facts)})
		},
	}
	o.addTo(cmd, "high")
	return cmd
}

// dead are the sandboxes whose launcher is gone. One that is being made, or has
// just ended, is not among them.
func dead(root string) []string {
	store := &state.Store{Root: root}
	ids, err := store.List()
	if err != nil {
		return nil // not root, or nothing was ever run
	}
	var out []string
	for _, id := range ids {
		if store.Young(id) {
			continue
		}
		if rec, err := store.Load(id); err == nil && !rec.Alive() {
			if _, err := store.Load(id); err == nil {
				out = append(out, id)
			}
		} else if _, left := store.Left(id); left {
			out = append(out, id)
		}
	}
	return out
}

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

const attackVerb = "attack"

// attackPlanFD is where the compiled plan is written to.
const attackPlanFD = 3

// maxAttackPlan bounds the plan that comes back.
const maxAttackPlan = 16 << 20

// attackVerb is `safe-run attack IMAGE`, which safe-run verify starts: a run by
// the same path as any other, except that the compiled plan goes out through
// descriptor 3 and the one that is carried out comes in through standard input,
// with the attacks in place of the program. It is in no help text, takes nothing
// from profiles or the environment, and is root's alone: who may use it can make
// any container that root can make with other tools.
func (a *app) attackVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: attackVerb + " [flags] IMAGE [COMMAND...]", Short: "run a plan that safe-run verify has prepared", Hidden: true, GroupID: groupLook,
		Long: "run an image under the plan that comes in through standard input, after the compiled one went out through " +
			"descriptor 3. safe-run verify uses it, and nobody else needs it.",
		Example: "  safe-run verify --profile web oci:./app", DisableFlagsInUseLine: true,
	}
	seen := a.runFlags(cmd)
	ablated := cmd.Flags().Bool("ablated", false, "the plan lacks a layer on purpose, and is not checked")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if os.Geteuid() != 0 {
			return usageError(problem.New("sudo safe-run verify", "attack: only root may run a plan of its own"))
		}
		o, err := a.options(*seen, args)
		if err != nil {
			return err
		}
		floor, err := policies.Here.Floor()
		if err != nil {
			return usageError(err)
		}
		if floor != nil && *ablated {
			return usageError(problem.New("leave --layers out, or verify on a host without a floor",
				"attack: %s is the least that every sandbox has, and a plan without a layer is below it", policies.Here.FloorName()))
		}
		if o.Detach || o.TTY || o.Stdin {
			return usageError(problem.New("use safe-run verify", "attack runs in the front, without input"))
		}
		var at syscall.Stat_t
		if err := syscall.Fstat(attackPlanFD, &at); err != nil || at.Mode&syscall.S_IFMT != syscall.S_IFIFO {
			return usageError(problem.New("use safe-run verify, which speaks this", "attack: descriptor %d is no pipe", attackPlanFD))
		}
		syscall.CloseOnExec(attackPlanFD)
		out := os.NewFile(attackPlanFD, "plan")
		o.Edit = func(p *prepared) error {
			return editPlan(p, a.std.In, out, editing{ablated: *ablated, floor: floor != nil})
		}
		return run(cmd.Context(), a.std, o, a.ready)
	}
	return cmd
}

// editing says what may become of a plan.
type editing struct {
	// ablated: a layer is missing on purpose, and nothing is checked.
	ablated bool
	// floor: the administrator has one, so that only the attacks may be put in.
	floor bool
}

// compiled is what the editor of a plan gets.
type compiled struct {
	Plan *spec.Plan `json:"plan"`
	Host spec.Host  `json:"host"`
}

// editPlan lets another process change a plan. Who the sandbox is, where it is
// and what its ids are stays as it was: the lease is for that one.
func editPlan(p *prepared, in io.Reader, out io.WriteCloser, may editing) error {
	const hint = "use safe-run verify, which speaks this"
	err := json.NewEncoder(out).Encode(compiled{p.plan, p.host})
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		return problem.New(hint, "attack: the plan cannot be written to descriptor %d: %w", attackPlanFD, err)
	}
	data, err := io.ReadAll(io.LimitReader(in, maxAttackPlan+1))
	if err == nil && len(data) > maxAttackPlan {
		err = fmt.Errorf("it is larger than %d bytes", maxAttackPlan)
	}
	edited := new(spec.Plan)
	if err == nil {
		err = json.Unmarshal(data, edited)
	}
	if err == nil {
		err = sameSandbox(p.plan, edited)
	}
	if err == nil && !may.ablated {
		err = spec.ValidatePlan(edited)
	}
	if err == nil && may.floor {
		err = onlyAttacks(p.plan, edited)
	}
	if err != nil {
		return problem.New(hint, "attack: the plan on standard input: %w", err)
	}
	p.plan = edited
	return nil
}

// sameSandbox says whether a plan is still one for the identity that was taken.
func sameSandbox(was, is *spec.Plan) error {
	switch {
	case is.OCI == nil || is.OCI.Process == nil || is.OCI.Linux == nil || is.OCI.Linux.Resources == nil || is.OCI.Root == nil:
		return fmt.Errorf("it is not complete")
	case is.OCI.Linux.CgroupsPath != was.OCI.Linux.CgroupsPath:
		return fmt.Errorf("its control group is another one")
	case is.OCI.Hooks != nil:
		return fmt.Errorf("hooks run programs on the host")
	}
	if ids := is.OCI.Linux.UIDMappings; len(ids) > 0 && !slices.Equal(ids, was.OCI.Linux.UIDMappings) {
		return fmt.Errorf("its range of ids is another one")
	}
	return nil
}

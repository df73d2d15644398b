package cli

import (
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

// poolVerb is `safe-run pool`.
func (a *app) poolVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "pool [flags] IMAGE", Short: "keep sandboxes prepared, for `run --pool=NAME`", GroupID: groupRun,
		Long: "keep sandboxes of one image and profile prepared, so that `safe-run run --pool=NAME [COMMAND...]` starts a program in the time " +
			"that its execution takes. Each sandbox is used once, and another is prepared in its place; what is mounted with -v is the same in all of them. " +
			"A sandbox has the policy and the image as they were when it was prepared. It runs until it is stopped (SIGTERM, Ctrl-C), which ends what runs in it.",
		Example:               "  safe-run pool --profile batch -n 8 --name judge ./rootfs\n  safe-run run --pool=judge -i -e LANG=C python3 - < answer.py",
		DisableFlagsInUseLine: true,
	}
	seen := a.runFlags(cmd)
	for _, name := range unpooled {
		if f := cmd.Flags().Lookup(name); f != nil {
			f.Hidden = true
		}
	}
	size := cmd.Flags().IntP("size", "n", 4, "how many are kept")
	image := cmd.Flags().String("image", "", "the image, in place of IMAGE")
	cmd.Flags().Lookup("image").Annotations = map[string][]string{groupKey: {string(groupLife)}, argKey: {"IMAGE"}}
	cmd.Flags().Lookup("size").Annotations = map[string][]string{groupKey: {string(groupLife)}, argKey: {"N"}}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *image != "" {
			args = append([]string{*image}, args...)
		}
		o, err := a.options(*seen, args)
		if err == nil {
			err = usageError(checkPool(o, *seen, *size))
		}
		if err != nil {
			return err
		}
		return newPool(a.std, o, *size).run(cmd.Context())
	}
	return cmd
}

// mostPrepared bounds a pool: each sandbox is some processes and a control group.
const mostPrepared = 1024

// unpooled are flags of run that concern one run and not the sandbox.
var unpooled = []string{
	"interactive", "tty", "detach", "publish", "restart", "cidfile", "log-opt", "log-driver", "rm", "detach-keys", "sdnotify", "quiet", "explain",
	"health-cmd", "health-interval", "health-timeout", "health-retries", "health-start-period", "health-start-interval", "pool",
}

// checkPool refuses what cannot be prepared.
func checkPool(o runOptions, seen []occurrence, size int) error {
	for _, f := range seen {
		if slices.Contains(unpooled, f.name) {
			return problem.New("leave it out; `safe-run run --pool=NAME` takes -e, -i, -q and -w", "--%s: it is of one run, and a pool prepares for many", f.name)
		}
	}
	if slices.ContainsFunc(o.Request.Volumes, func(v spec.Volume) bool { return v.Anonymous }) {
		return problem.New("write --tmpfs DIR, or give the volume a name", "a volume without a name would be shared by all runs of the pool")
	}
	if size < 1 || size > mostPrepared {
		return problem.New("write a number from 1 to "+strconv.Itoa(mostPrepared), "-n %d: so many sandboxes cannot be kept", size)
	}
	return checkPoolName(poolName(o))
}

// poolName is what `run --pool=` calls it.
func poolName(o runOptions) string {
	if o.Name == "" {
		return "default"
	}
	return o.Name
}

// checkPoolName refuses what could not be the name of its socket.
func checkPoolName(name string) error {
	other := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-", r))
	}
	if name == "" || len(name) > 64 || name[0] == '.' || name[0] == '-' || strings.ContainsFunc(name, other) {
		return problem.New("use at most 64 letters, digits, _, . and -", "%.80q is not the name of a pool", name)
	}
	return nil
}

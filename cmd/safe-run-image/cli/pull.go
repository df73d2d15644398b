package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/pull"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

func (a *app) pullVerb() *cobra.Command {
	limits := bounds.Default
	var when string
	cmd := &cobra.Command{
		Use:   "pull [flags] IMAGE",
		Short: "bring an image into the store, checked and unpacked",
		Long: `bring an image into the store, unless it is there, and record what it is.

A bare name is looked for in the stores of docker, podman and containerd, and
then in a registry, as registries.conf(5) says. A prefix names one place:
docker://NAME, docker-daemon:NAME, containers-storage:NAME, containerd:NAME,
oci:DIR[:ref], oci-archive:FILE[:ref], docker-archive:FILE[:ref]. What dir:ROOTFS
and ./program mean is used as it is and needs no pull.`,
		Example:     "  safe-run image pull nginx:1.27\n  safe-run image pull --profile web docker://ghcr.io/acme/app@sha256:...\n  safe-run image pull oci:./app",
		Args:        images(1, 1),
		Annotations: map[string]string{network: forNames},
	}
	limitFlags(cmd.Flags(), &limits)
	cmd.Flags().StringVar(&when, "pull", string(image.PullAlways), "when to look outside of the store: always, missing or never (never: not in a registry)")
	_ = cmd.RegisterFlagCompletionFunc("pull", cobra.FixedCompletions([]string{"always", "missing", "never"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := a.pullOptions(cmd, limits)
		if err != nil {
			return err
		}
		if o.Pull, err = image.ParsePull(when); err != nil {
			return usage{problem.New(problem.HintOf(err), "--pull: %w", err)}
		}
		record, err := a.pull(cmd, args[0], o)
		if err != nil {
			return err
		}
		if a.format == formatJSON {
			return json.NewEncoder(a.std.Out).Encode(record)
		}
		_, err = fmt.Fprintln(a.std.Out, record.Digest)
		return err
	}
	return cmd
}

// limitFlags are the flags of what an image may cost.
func limitFlags(flags *pflag.FlagSet, l *bounds.Limits) {
	flags.Int64Var(&l.Entries, "max-entries", l.Entries, "the most files an image may have")
	flags.Int64Var(&l.Bytes, "max-bytes", l.Bytes, "the most bytes an image may unpack to")
}

// pullOptions are those that all verbs have in common that may add an image.
func (a *app) pullOptions(cmd *cobra.Command, limits bounds.Limits) (o pull.Options, err error) {
	if limits.Entries <= 0 || limits.Bytes <= 0 {
		return o, badUsage(cmd.CommandPath(), "--max-entries and --max-bytes must be above 0")
	}
	o.Store, o.Limits = a.store, limits
	o.Trust, err = a.policy(cmd)
	return o, err
}

// pull brings an image into the store and shows how it comes along.
func (a *app) pull(cmd *cobra.Command, name string, o pull.Options) (*image.Record, error) {
	p := newProgress(a.std.Err, name, a.quiet)
	o.Progress, o.Note, o.Tell = p.show, p.say, p.tell
	record, err := pull.Pull(cmd.Context(), name, o)
	p.end(err)
	return record, err
}

// maxTrust bounds --trust in bytes: what one argument may have (execve(2)).
const maxTrust = 128 << 10

// policy is what images must satisfy.
func (a *app) policy(cmd *cobra.Command) (spec.Trust, error) {
	var t spec.Trust
	if a.trust == "" {
		return t, nil
	}
	d := json.NewDecoder(strings.NewReader(a.trust))
	d.DisallowUnknownFields()
	err := d.Decode(&t)
	if err == nil && (d.More() || len(a.trust) > maxTrust) {
		err = errors.New("there is more than one policy in it")
	}
	if err != nil {
		return t, badUsage(cmd.CommandPath(), "--trust is not what safe-run writes: %v", err)
	}
	return t, nil
}

package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/pull"
)

func pullCommand(c *common) *cobra.Command {
	o := pull.Options{Limits: bounds.Default}
	var when string
	cmd := &cobra.Command{
		Use:   "pull [flags] IMAGE",
		Short: "Bring an image into the store, checked and unpacked",
		Long: `Bring an image into the store, unless it is there, and record what it is.

A bare name is looked for in the stores of docker, podman and containerd, and
then in a registry, as registries.conf(5) says. ` + image.Forms + `.`,
		Args: one("pull"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.Limits.Entries <= 0 || o.Limits.Bytes <= 0 {
				return badUsage(cmd.CommandPath(), "--max-entries and --max-bytes must be above 0")
			}
			if o.Pull, err = image.ParsePull(when); err != nil {
				return usage{err}
			}
			if o.Trust, err = c.policy(); err != nil {
				return err
			}
			o.Store = c.store
			p := newProgress(cmd.ErrOrStderr(), args[0], c.quiet)
			o.Progress, o.Note = p.show, p.note
			record, err := pull.Pull(cmd.Context(), args[0], o)
			p.end()
			if err != nil {
				return err
			}
			if c.format == formatJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(record)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), record.Digest)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&when, "pull", string(image.PullAlways), "when to look outside of the store: always, missing or never (never: not in a registry)")
	flags.Int64Var(&o.Limits.Entries, "max-entries", o.Limits.Entries, "the most files an image may have")
	flags.Int64Var(&o.Limits.Bytes, "max-bytes", o.Limits.Bytes, "the most bytes an image may unpack to")
	return cmd
}

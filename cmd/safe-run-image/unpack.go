package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/unpack"
)

func unpackCommand(format *string) *cobra.Command {
	o := unpack.Options{Limits: unpack.DefaultLimits}
	cmd := &cobra.Command{
		Use:   "unpack [flags] REFERENCE",
		Short: "Unpack an image into the store, unless it is there",
		Long: `Unpack an image into the store, unless it is there, and record what it is.

REFERENCE is oci:DIR[:ref], oci-archive:FILE[:ref] or docker-archive:FILE[:ref].`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return badUsage(cmd.CommandPath(), "unpack takes one image, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Limits.Entries <= 0 || o.Limits.Bytes <= 0 {
				return badUsage(cmd.CommandPath(), "--max-entries and --max-bytes must be above 0")
			}
			p := newProgress(cmd.ErrOrStderr(), args[0])
			o.Progress = p.show
			record, err := unpack.Unpack(cmd.Context(), args[0], o)
			p.end()
			if err != nil {
				return err
			}
			if *format == formatJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(record)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), record.Digest)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Store, "store", image.DefaultStore, "the directory of unpacked images")
	flags.Int64Var(&o.Limits.Entries, "max-entries", o.Limits.Entries, "the most files an image may have")
	flags.Int64Var(&o.Limits.Bytes, "max-bytes", o.Limits.Bytes, "the most bytes an image may unpack to")
	return cmd
}

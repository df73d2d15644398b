package cli

import (
	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/sandbox/image/bounds"
	"github.com/safe-run/safe-run/sandbox/image/pull"
)

func (a *app) unpackVerb() *cobra.Command {
	limits := bounds.Default
	cmd := &cobra.Command{
		Use:   "unpack [flags] IMAGE DIR",
		Short: "write the files of an image to a new directory",
		Long: `write the merged tree of an image to DIR, which must not exist or be empty: a root
filesystem for tools that know no layers, such as runc. Owners, modes, links and
times are kept; setuid bits, devices and extended attributes are not.`,
		Example: "  safe-run image unpack myapp bundle/rootfs",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return badUsage(cmd.CommandPath(), "unpack takes two words, IMAGE and DIR")
			}
			return nil
		},
		Annotations: map[string]string{network: forMissing},
	}
	limitFlags(cmd.Flags(), &limits)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := a.pullOptions(cmd, limits)
		if err != nil {
			return err
		}
		o.Pull = image.PullMissing
		p := newProgress(a.std.Err, args[0], a.quiet)
		o.Progress, o.Note = p.show, p.say
		err = pull.Flatten(cmd.Context(), args[0], args[1], o)
		p.end(err)
		return err
	}
	return cmd
}

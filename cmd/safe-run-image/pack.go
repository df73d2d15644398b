package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/cmd/safe-run-image/pack"
)

func packCommand(format *string) *cobra.Command {
	var o pack.Options
	cmd := &cobra.Command{
		Use:   "pack --from ROOTFS_DIR --to oci:DIR[:ref]|docker-archive:FILE:NAME [flags]",
		Short: "Make an image of one layer from a directory",
		Long: `Make an image of one layer from a directory. The same files always make the
same image: all times are set to SOURCE_DATE_EPOCH, or to 1970. Owners and
permissions are kept; devices, sockets and extended attributes are not.`,
		Example: `  safe-run-image pack --from ./rootfs --to oci:./image:app --user www-data \
      --expose 8080 --entrypoint /usr/sbin/nginx --cmd -g --cmd 'daemon off;'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return badUsage(cmd.CommandPath(), "pack takes flags only, not %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Time, err = sourceDate(cmd.CommandPath()); err != nil {
				return err
			}
			digest, err := pack.Image(cmd.Context(), o)
			if err != nil {
				return err
			}
			if *format == formatJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]string{"digest": digest, "image": o.To})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), digest)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.From, "from", "", "the directory to make the image of")
	flags.StringVar(&o.To, "to", "", "where to write it: oci:DIR[:ref] or docker-archive:FILE:NAME")
	flags.StringVar(&o.Config.User, "user", "", "the user to run as: uid[:gid] or name[:group]")
	flags.StringVar(&o.Config.WorkingDir, "workdir", "", "the directory to run in")
	flags.StringVar(&o.Config.StopSignal, "stop-signal", "", "the signal to stop it with")
	flags.StringArrayVar(&o.Config.Entrypoint, "entrypoint", nil, "a word of the command that always runs; once for each word")
	flags.StringArrayVar(&o.Config.Cmd, "cmd", nil, "a word of what follows the entrypoint by default; once for each word")
	flags.StringArrayVar(&o.Config.Env, "env", nil, "a variable, NAME=value; once for each")
	flags.StringArrayVar(&o.Config.ExposedPorts, "expose", nil, "a port it listens on, number[/protocol]; once for each")
	flags.StringArrayVar(&o.Config.Volumes, "volume", nil, "a directory that it writes to; once for each")
	flags.StringToStringVar(&o.Config.Labels, "label", nil, "a label, key=value; once for each")
	return cmd
}

// sourceDate is the time that reproducible builds agree on
// (https://reproducible-builds.org/specs/source-date-epoch/).
func sourceDate(command string) (time.Time, error) {
	s := os.Getenv("SOURCE_DATE_EPOCH")
	if s == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseUint(s, 10, 40)
	if err != nil {
		return time.Time{}, badUsage(command, "SOURCE_DATE_EPOCH is %q, not a number of seconds", s)
	}
	return time.Unix(int64(seconds), 0), nil
}

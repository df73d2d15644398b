package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/safe-run/safe-run/cmd/safe-run-image/pack"
	"github.com/safe-run/safe-run/spec"
)

func (a *app) packVerb() *cobra.Command {
	var o pack.Options
	cmd := &cobra.Command{
		Use:   "pack --from ROOTFS_DIR --to oci:DIR[:ref]|docker-archive:FILE:NAME [flags]",
		Short: "make an image of one layer from a directory",
		Long: `make an image of one layer from a directory. The same files always make the
same image: all times are set to SOURCE_DATE_EPOCH, or to 1970. Owners and
permissions are kept; devices, sockets and extended attributes are not.`,
		Example: `  safe-run image pack --from ./rootfs --to oci:./image:app --user www-data \
      --expose 8080 --entrypoint /usr/sbin/nginx --cmd -g --cmd 'daemon off;'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return badUsage(cmd.CommandPath(), "pack takes flags only, not %q", args[0])
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.From, "from", "", "the directory to make the image of")
	flags.StringVar(&o.To, "to", "", "where to write it: oci:DIR[:ref] or docker-archive:FILE:NAME")
	configFlags(flags, &o.Config)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var err error
		if o.Time, err = sourceDate(cmd.CommandPath()); err != nil {
			return err
		}
		digest, err := pack.Image(cmd.Context(), o)
		if err != nil {
			return err
		}
		if a.format == formatJSON {
			return json.NewEncoder(a.std.Out).Encode(map[string]string{"digest": digest, "image": o.To})
		}
		_, err = fmt.Fprintln(a.std.Out, digest)
		return err
	}
	return cmd
}

// configFlagNames are the flags of configFlags.
var configFlagNames = []string{"user", "workdir", "stop-signal", "entrypoint", "cmd", "env", "expose", "volume", "label"}

// configFlags are the flags of the config of an image that is made here.
func configFlags(flags *pflag.FlagSet, c *spec.ImageConfig) {
	flags.StringVar(&c.User, "user", "", "the user to run as: uid[:gid] or name[:group]")
	flags.StringVar(&c.WorkingDir, "workdir", "", "the directory to run in")
	flags.StringVar(&c.StopSignal, "stop-signal", "", "the signal to stop it with")
	flags.StringArrayVar(&c.Entrypoint, "entrypoint", nil, "a word of the command that always runs; once for each word")
	flags.StringArrayVar(&c.Cmd, "cmd", nil, "a word of what follows the entrypoint by default; once for each word")
	flags.StringArrayVar(&c.Env, "env", nil, "a variable, NAME=value; once for each")
	flags.StringArrayVar(&c.ExposedPorts, "expose", nil, "a port it listens on, number[/protocol]; once for each")
	flags.StringArrayVar(&c.Volumes, "volume", nil, "a directory that it writes to; once for each")
	flags.StringToStringVar(&c.Labels, "label", nil, "a label, key=value; once for each")
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

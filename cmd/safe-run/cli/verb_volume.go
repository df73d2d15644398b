package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/sandbox/volume"
	"github.com/safe-run/safe-run/spec/problem"
)

// volumeVerb is `safe-run volume`, which has verbs of its own.
func (a *app) volumeVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "volume VERB", Short: "make, list and remove volumes", GroupID: groupManage,
		Long: "make, list and remove volumes: directories that outlive containers and that only containers reach. " +
			"One is made when a container names it that is not there: safe-run -v NAME:/path IMAGE. A profile or the floor " +
			"that says mounts.volumes: false refuses them.",
		Example:               "  safe-run volume create --size 1g data\n  safe-run -v data:/data oci:./app\n  safe-run volume ls --filter dangling=true\n  safe-run volume rm data",
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noVerb(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(a.volumeCreateVerb(), a.volumeLsVerb(), a.volumeInspectVerb(), a.volumeRmVerb(), a.volumePruneVerb())
	return cmd
}

// volumeCreateVerb is `safe-run volume create [NAME]`.
func (a *app) volumeCreateVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create [flags] [NAME]", Short: "make a volume", Args: arguments(0, 1, "NAME"), DisableFlagsInUseLine: true,
		Long: "make a volume and print its name; without NAME one is made up. One that is there is left as it is. " +
			"A size needs a filesystem with project quotas (ext4 or xfs, mounted with prjquota) below " + volume.DefaultDir + ".",
		Example:           "  safe-run volume create data\n  safe-run volume create --size 1g --label app=db data",
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	labels := f.StringArray("label", nil, "attach a label, `KEY=VALUE`")
	options := f.StringArrayP("opt", "o", nil, "option of docker's local driver: size=`SIZE`")
	size := f.String("size", "", "the most `SIZE` that it may take on the disk, for example 1g")
	driver := f.StringP("driver", "d", "local", "")
	f.Lookup("driver").Hidden = true
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		o := volume.Options{Labels: map[string]string{}}
		if err := usageError(readVolumeOptions(&o, *driver, *labels, append(sizeOption(*size), *options...))); err != nil {
			return err
		}
		if len(args) > 0 {
			o.Name = args[0]
		} else {
			o.Name, o.Anonymous = volume.NewName(), true
		}
		store, err := volume.Open("")
		if err == nil {
			err = sandbox.CreateVolume(store, o)
		}
		if err != nil {
			return asRoot(err)
		}
		if a.format == formatJSON {
			return writeJSON(a.std.Out, map[string]string{"name": o.Name})
		}
		_, err = fmt.Fprintln(a.std.Out, o.Name)
		return err
	}
	return cmd
}

func sizeOption(size string) []string {
	if size == "" {
		return nil
	}
	return []string{"size=" + size}
}

func readVolumeOptions(o *volume.Options, driver string, labels, options []string) error {
	if err := checkDriver(driver); err != nil {
		return err
	}
	for _, text := range labels {
		name, value, err := parseLabel(text)
		if err != nil {
			return err
		}
		o.Labels[name] = value
	}
	for _, text := range options {
		size, err := parseVolumeOpt(text)
		if err != nil {
			return err
		}
		if o.Size != 0 && o.Size != size {
			return problem.New("leave one of them out", "two sizes are given")
		}
		o.Size = size
	}
	return nil
}

// volumeRmVerb is `safe-run volume rm NAME...`.
func (a *app) volumeRmVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rm [flags] NAME...", Short: "remove volumes with their files", Aliases: []string{"remove"},
		Example: "  safe-run volume rm data", Args: arguments(1, -1, "NAME"), DisableFlagsInUseLine: true,
		ValidArgsFunction: completeVolumes,
	}
	force := cmd.Flags().BoolP("force", "f", false, "remove what is damaged, too, and do not miss what is not there")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		store, err := volume.Open("")
		if err != nil {
			return asRoot(err)
		}
		return a.forEach("removed", args, func(name string) error {
			if !*force {
				return sandbox.RemoveVolume(state.DefaultRoot, store, name, "")
			}
			return ignoreNoVolume(sandbox.ForceRemoveVolume(state.DefaultRoot, store, name))
		})
	}
	return cmd
}

// completeVolumes completes the names of volumes.
func completeVolumes(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return volumeNames(), cobra.ShellCompDirectiveNoFileComp
}

func volumeNames() (names []string) {
	store, err := volume.Open("")
	if err != nil {
		return nil
	}
	all, _ := store.List()
	for _, v := range all {
		names = append(names, v.Name)
	}
	return names
}

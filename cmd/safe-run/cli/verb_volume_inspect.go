package cli

import (
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/volume"
)

// inspectedVolume is a volume as docker's API describes one, and what docker
// has no word for.
type inspectedVolume struct {
	CreatedAt  time.Time
	Driver     string
	Labels     map[string]string
	Mountpoint string
	Name       string
	Options    map[string]string
	Scope      string
	SafeRun    inspectedStore
}

type inspectedStore struct {
	Anonymous bool
	// Size is the most bytes that it may take; 0 is no bound. Used is what it
	// takes on the disk, or at least so much, when there is too much in it to be
	// counted.
	Size, Used  int64
	UsedAtLeast bool `json:",omitempty"`
	Containers  []string
	Damage      string `json:",omitempty"`
}

// volumeInspectVerb is `safe-run volume inspect NAME...`.
func (a *app) volumeInspectVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "inspect [flags] NAME...", Short: "show all that is known of a volume", Annotations: templates,
		Example: "  safe-run volume inspect data\n  safe-run volume inspect --format '{{.Mountpoint}} {{.SafeRun.Used}}' data",
		Args:    arguments(1, -1, "NAME"), DisableFlagsInUseLine: true, ValidArgsFunction: completeVolumes,
	}
	cmd.Flags().StringP("f", "f", "", "") // docker's short form of --format
	cmd.Flags().Lookup("f").Hidden = true
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) (err error) {
		if f := cmd.Flags().Lookup("f"); f.Changed {
			if err = cmd.Flags().Set("format", f.Value.String()); err == nil {
				a.format, err = formatFor(cmd)
			}
		}
		return err
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		all, err := inspectVolumes(args)
		if a.format.isTemplate() && len(all) > 0 {
			return errors.Join(err, writeTemplate(a.std.Out, a.format, all))
		}
		return errors.Join(err, writeJSON(a.std.Out, orEmpty(all)))
	}
	return cmd
}

// inspectVolumes looks at each; what cannot be found is an error, and the
// others are given all the same.
func inspectVolumes(names []string) (all []inspectedVolume, err error) {
	rows, store, err := listVolumes()
	if err != nil {
		return nil, asRoot(err)
	}
	var errs []error
	for _, name := range names {
		i := slices.IndexFunc(rows, func(r volumeRow) bool { return r.Name == name })
		if i < 0 {
			_, err := store.Get(name)
			errs = append(errs, err)
			continue
		}
		all = append(all, describeVolume(rows[i], store))
	}
	return all, errors.Join(errs...)
}

func describeVolume(r volumeRow, store *volume.Store) inspectedVolume {
	v := inspectedVolume{
		CreatedAt: r.Created, Driver: r.Driver, Labels: r.Labels, Mountpoint: r.Mountpoint, Name: r.Name,
		Options: map[string]string{}, Scope: "local",
		SafeRun: inspectedStore{Anonymous: r.Anonymous, Size: r.Size, Containers: r.Containers, Damage: r.Damage},
	}
	if r.Size > 0 {
		v.Options["size"] = formatBytes(r.Size)
	}
	if r.Damage != "" {
		return v
	}
	if full, err := store.Get(r.Name); err == nil {
		used, _ := store.Usage(full)
		v.SafeRun.Used, v.SafeRun.UsedAtLeast = used.Bytes, used.AtLeast
	}
	return v
}

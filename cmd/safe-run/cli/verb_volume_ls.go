package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/sandbox/volume"
	"github.com/safe-run/safe-run/spec/problem"
)

// volumeRow is one volume of a list.
type volumeRow struct {
	Name       string            `json:"name"`
	Driver     string            `json:"driver"`
	Mountpoint string            `json:"mountpoint"`
	Created    time.Time         `json:"created"`
	Labels     map[string]string `json:"labels,omitempty"`
	Size       int64             `json:"size,omitempty"`
	Anonymous  bool              `json:"anonymous,omitempty"`
	// Containers are the names of those that have it.
	Containers []string `json:"containers"`
	Damage     string   `json:"damage,omitempty"`

	dangling bool
}

// listVolumes gives all volumes, and which containers have them.
func listVolumes() ([]volumeRow, *volume.Store, error) {
	store, err := volume.Open("")
	if err != nil {
		return nil, nil, err
	}
	all, err := store.List()
	if err != nil {
		return nil, nil, err
	}
	users, err := sandbox.VolumeUsers(state.DefaultRoot, store)
	if err != nil {
		return nil, nil, err
	}
	rows := make([]volumeRow, 0, len(all))
	for _, v := range all {
		r := volumeRow{
			Name: v.Name, Driver: "local", Mountpoint: store.DataPath(v.Name), Created: v.Created, Labels: v.Labels,
			Size: v.Size, Anonymous: v.Anonymous, Containers: []string{}, dangling: !v.Held && len(users[v.Name]) == 0,
		}
		for _, u := range users[v.Name] {
			r.Containers = append(r.Containers, u.Name)
		}
		if v.Damage != nil {
			r.Damage = v.Damage.Error()
		}
		rows = append(rows, r)
	}
	return rows, store, nil
}

// volumeLsVerb is `safe-run volume ls`.
func (a *app) volumeLsVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ls [flags]", Short: "list volumes", Aliases: []string{"list"}, Annotations: templates,
		Example: "  safe-run volume ls\n  safe-run volume ls -q --filter dangling=true\n  safe-run volume ls --format '{{.Name}} {{.Mountpoint}}'",
		Args:    arguments(0, 0, ""), DisableFlagsInUseLine: true,
	}
	quiet := cmd.Flags().BoolP("quiet", "q", false, "print names only")
	filters := cmd.Flags().StringArrayP("filter", "f", nil, "only those that match `KEY=VALUE`: name, label, driver or dangling")
	cmd.RunE = func(*cobra.Command, []string) error {
		f, err := parseVolumeFilters(*filters)
		if err != nil {
			return usageError(err)
		}
		rows, _, err := listVolumes()
		if err != nil {
			return asRoot(err)
		}
		rows = slices.DeleteFunc(rows, func(r volumeRow) bool { return !f.match(r) })
		return a.writeVolumes(rows, *quiet)
	}
	return cmd
}

func (a *app) writeVolumes(rows []volumeRow, quiet bool) error {
	switch {
	case quiet:
		var names strings.Builder
		for _, r := range rows {
			fmt.Fprintln(&names, r.Name)
		}
		_, err := io.WriteString(a.std.Out, names.String())
		return err
	case a.format == formatJSON:
		return writeJSON(a.std.Out, orEmpty(rows))
	case a.format.isTemplate():
		return writeTemplate(a.std.Out, a.format, volumeLines(rows))
	}
	t := table{head: []string{"DRIVER", "VOLUME NAME"}}
	for _, r := range rows {
		name := r.Name
		if r.Damage != "" {
			name += " (damaged)"
		}
		t.add(r.Driver, name)
	}
	return t.write(a.std.Out, unbroken, paletteFor(a.std.Out))
}

// volumeLine is a volume of a list in docker's names, for templates.
type volumeLine struct {
	Name       string `head:"VOLUME NAME"`
	Driver     string
	Scope      string
	Mountpoint string
	Labels     string
	Links      int
	Size       string

	labels map[string]string
}

// Label is the value of one label, for {{.Label "name"}}.
func (l volumeLine) Label(name string) string { return l.labels[name] }

func volumeLines(rows []volumeRow) (lines []volumeLine) {
	for _, r := range rows {
		l := volumeLine{
			Name: r.Name, Driver: r.Driver, Scope: "local", Mountpoint: r.Mountpoint, Size: "N/A",
			Labels: strings.Join(sortedLabels(r.Labels), ","), Links: len(r.Containers), labels: r.Labels,
		}
		if r.Size > 0 {
			l.Size = formatBytes(r.Size)
		}
		lines = append(lines, l)
	}
	return lines
}

// sortedLabels writes labels as name=value.
func sortedLabels(labels map[string]string) (out []string) {
	for name, value := range labels {
		out = append(out, name+"="+value)
	}
	slices.Sort(out)
	return out
}

// volumeFilter is the values of each key that is asked for.
type volumeFilter map[string][]string

func parseVolumeFilters(filters []string) (volumeFilter, error) {
	out := volumeFilter{}
	for _, text := range filters {
		key, value, ok := strings.Cut(text, "=")
		if !ok || value == "" {
			return nil, problem.New("write --filter name=data", "--filter %.60q has no value", text)
		}
		if !slices.Contains([]string{"name", "label", "label!", "driver", "dangling", "all"}, key) {
			return nil, problem.New("the keys are name, label, driver and dangling", "--filter: there is no key %.60q", key)
		}
		if key == "dangling" || key == "all" {
			if _, err := parseBool(value); err != nil {
				return nil, problem.New("write --filter "+key+"=true or "+key+"=false", "--filter: %.60q is neither true nor false", value)
			}
		}
		out[key] = append(out[key], value)
	}
	return out, nil
}

// match says whether a volume is asked for: one value of each key must be its,
// and every label.
func (f volumeFilter) match(r volumeRow) bool {
	for key, values := range f {
		matches := func(value string) bool { return r.matches(key, value) }
		every := key == "label" || key == "label!"
		if every && slices.ContainsFunc(values, func(v string) bool { return !matches(v) }) || !every && !slices.ContainsFunc(values, matches) {
			return false
		}
	}
	return true
}

func (r volumeRow) matches(key, value string) bool {
	switch key {
	case "name":
		return strings.Contains(r.Name, value)
	case "driver":
		return r.Driver == value
	case "label", "label!":
		name, want, valued := strings.Cut(value, "=")
		has, ok := r.Labels[name]
		return (ok && (!valued || has == want)) == (key == "label")
	case "dangling":
		want, _ := parseBool(value) // checked when it was read
		return r.dangling == want
	}
	return true
}

// ignoreNoVolume is for those who do not miss what is not there.
func ignoreNoVolume(err error) error {
	if errors.Is(err, volume.ErrNotFound) {
		return nil
	}
	return err
}

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles"
)

// listedProfile is one line of profile ls.
type listedProfile struct {
	Name        string   `json:"name"`
	Source      string   `json:"source"`
	Extends     []string `json:"extends"`
	Description string   `json:"description,omitempty"`
	// Error says why it cannot be used; empty when it can.
	Error string `json:"error,omitempty"`
}

// profileLsVerb is `safe-run profile ls`.
func (a *app) profileLsVerb() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "list the profiles there are", Aliases: []string{"list"},
		Example: "  safe-run profile ls\n  safe-run profile ls --format json",
		Args:    arguments(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			list := listProfiles(policies.Here.Finder())
			if a.format == formatJSON {
				return writeJSON(a.std.Out, list)
			}
			t := table{head: []string{"NAME", "EXTENDS", "DESCRIPTION", "SOURCE"}}
			for _, p := range list {
				description := p.Description
				if p.Error != "" {
					description = p.Error
				}
				t.add(p.Name, strings.Join(p.Extends, " "), description, p.Source)
			}
			return t.write(a.std.Out, width(a.std.Out), paletteFor(a.std.Out))
		},
	}
}

// listProfiles lists what each finder has; a name that an earlier one has too
// cannot be reached.
func listProfiles(finders profiles.Finders) []listedProfile {
	list := []listedProfile{}
	for _, f := range finders {
		named, ok := f.(interface{ Names() []string })
		if !ok {
			continue
		}
		for _, name := range named.Names() {
			entry := readListed(name, f)
			if i := slices.IndexFunc(list, func(p listedProfile) bool { return p.Name == name }); i >= 0 {
				entry.Error = fmt.Sprintf("hidden by the %s profile of that name; use its path", list[i].Source)
			}
			list = append(list, entry)
		}
	}
	return list
}

func readListed(name string, f profiles.Finder) listedProfile {
	entry := listedProfile{Name: name, Extends: []string{}}
	source, data, err := f.Find(name)
	entry.Source = source
	if source == name {
		entry.Source = "built-in"
	}
	if err == nil {
		var p profiles.Profile
		p, err = profiles.Decode(source, data)
		entry.Description, entry.Extends = p.Metadata.Description, orEmpty(p.Extends)
	}
	if err != nil {
		entry.Error = "broken: " + strings.TrimPrefix(flatten(err)[0].Error(), source+":")
	}
	return entry
}

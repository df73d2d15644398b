package cli

import (
	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/cmd/policies"
	"github.com/safe-run/safe-run/profiles"
)

// profileShowVerb is `safe-run profile show [--resolved] NAME`.
func (a *app) profileShowVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show [--resolved] NAME|FILE", Short: "print a profile",
		Long: "print a profile as it is written; with --resolved, as it applies: " +
			"with all that it extends, within the administrator's floor.",
		Example:               "  safe-run profile show web\n  safe-run profile show --resolved ./app.yaml > whole.yaml",
		Args:                  arguments(1, 1, "NAME"),
		ValidArgsFunction:     completeProfiles(1),
		DisableFlagsInUseLine: true,
	}
	resolved := cmd.Flags().Bool("resolved", false, "print what applies, not what is written")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		show := a.showWritten
		if *resolved {
			show = a.showResolved
		}
		return show(args[0])
	}
	return cmd
}

// showWritten prints a document as it is, comments and all, but only one that
// is a profile: any file can be named, and this is no way to read others.
func (a *app) showWritten(name string) error {
	finder := &recorder{Finder: policies.Here.Finder()}
	if _, err := profiles.ResolveFloor(name, finder); err != nil {
		return err
	}
	first := finder.found[0]
	if a.format == formatJSON {
		p, err := profiles.Decode(first.source, first.data)
		if err != nil {
			return err
		}
		return writeJSON(a.std.Out, p)
	}
	_, err := a.std.Out.Write(first.data)
	return err
}

func (a *app) showResolved(name string) error {
	p, err := resolvePolicy(runOptions{Profile: name})
	if err != nil {
		return err
	}
	if a.format == formatJSON {
		return writeJSON(a.std.Out, p)
	}
	data, err := profiles.Encode(p)
	if err != nil {
		return err
	}
	_, err = a.std.Out.Write(data)
	return err
}

// recorder remembers the documents that were found, in order.
type recorder struct {
	profiles.Finder
	found []document
}

type document struct {
	source string
	data   []byte
}

// Find implements profiles.Finder.
func (f *recorder) Find(name string) (source string, data []byte, err error) {
	source, data, err = f.Finder.Find(name)
	if err == nil {
		f.found = append(f.found, document{source, data})
	}
	return source, data, err
}

// Names lists what can be found.
func (f *recorder) Names() []string { return profileNames() }

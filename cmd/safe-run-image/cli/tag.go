package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec/problem"
)

func (a *app) tagVerb() *cobra.Command {
	return &cobra.Command{
		Use:   "tag IMAGE NAME",
		Short: "give an image of the store one more name",
		Long: `give an image of the store one more name. What it is checked by is where it came
from, whatever it is called.`,
		Example: "  safe-run image tag oci:./app app:1.0",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return badUsage(cmd.CommandPath(), "tag takes an image and a name")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := newName(args[1])
			if err != nil {
				return err
			}
			lib, err := openLibrary(a.store)
			if err != nil {
				return err
			}
			m, err := lib.whole(args[0])
			if err != nil {
				return err
			}
			use, err := lib.store.Use(cmd.Context())
			if err != nil {
				return err
			}
			defer use.Release()
			record := m.record
			if record == nil {
				means := lib.meaning(m.digest)
				if len(means) == 0 {
					return problem.New("safe-run image pull it first", "where the image %s came from is not known any more", args[0])
				}
				record = means[0]
			}
			tagged := *record
			if tagged.From == "" {
				tagged.From = record.Reference
			}
			tagged.Source = nil // it stays what it is, whatever becomes of the file
			if err := lib.store.PutRecord(name, &tagged); err != nil {
				return err
			}
			if a.format == formatJSON {
				return writeJSON(a.std.Out, tagged)
			}
			_, err = fmt.Fprintln(a.std.Out, tagged.Digest)
			return err
		},
	}
}

// newName reads the name that an image is given in the store.
func newName(s string) (image.Reference, error) {
	const hint = "write NAME or NAME:tag, for example app:1.0"
	ref, err := image.Parse(s)
	if err != nil {
		return ref, err
	}
	if _, _, digest := ref.Name(); ref.Transport != image.Named || digest != "" {
		return ref, problem.New(hint, "%s cannot be given to an image as its name", ref)
	}
	return ref.Full(), nil
}

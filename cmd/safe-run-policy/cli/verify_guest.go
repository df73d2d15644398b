package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
)

// guestVerb is what verify --vm runs in its machines: the battery for each
// profile, and a line with each report.
func (a *app) guestVerb() *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use: "vm-verify", Hidden: true, Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.image = args[0]
			}
			out := json.NewEncoder(a.std.Out)
			for _, profile := range o.profiles {
				o.profile = profile
				b, err := a.battery(o)
				if err != nil {
					return err
				}
				b.Progress = func(what string) {
					if len(what) > 3 { // not each attack
						fmt.Fprintln(a.std.Out, guestTells+what)
					}
				}
				one, err := b.Run(cmd.Context())
				if err != nil {
					return err
				}
				if err := out.Encode(one); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.profiles, "profile", nil, "")
	f.StringSliceVar(&o.only, "only", nil, "")
	f.BoolVar(&o.layers, "layers", false, "")
	return cmd
}

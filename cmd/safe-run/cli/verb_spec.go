package cli

import (
	"github.com/spf13/cobra"
)

// specVerb is `safe-run spec IMAGE`.
func (a *app) specVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "spec [flags] IMAGE [COMMAND...]", Short: "print the OCI config.json of a run", GroupID: groupLook,
		Long: "print the OCI runtime spec that a run with the same flags would have, as a config.json that runc takes. " +
			"What OCI cannot express is left out: safe-run explain shows it. So is the seccomp flag that keeps the " +
			"mitigation of speculative store bypass on, because runc before 1.2 refuses it; --seccomp-flags writes it.\n\n" +
			"runc can neither map the owners of the image's files nor make mount points in it: /proc, /sys, /dev, /tmp " +
			"and /run must be there. Nor does it know layers: the root of an image that has several is written as rootfs, " +
			"to be made with safe-run image unpack.",
		Example: "  safe-run spec --profile web oci:./app\n" +
			"  mkdir bundle && safe-run image unpack myapp bundle/rootfs && safe-run spec myapp > bundle/config.json\n" +
			"  mkdir bundle && safe-run spec dir:$PWD/rootfs sh > bundle/config.json && runc run -b bundle test",
		DisableFlagsInUseLine: true,
	}
	seen := a.runFlags(cmd)
	flags := cmd.Flags().Bool("seccomp-flags", false, "write the seccomp flags, for runc 1.2 and crun")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := a.options(*seen, args)
		if err != nil {
			return err
		}
		p, err := prepare(cmd.Context(), a.std, o, example)
		if err != nil {
			return err
		}
		defer p.close()
		if filter := p.plan.OCI.Linux.Seccomp; filter != nil && !*flags {
			filter.Flags = nil
		}
		return writeJSON(a.std.Out, p.plan.OCI)
	}
	return cmd
}

package cli

import (
	"bufio"
	"strconv"

	"github.com/spf13/cobra"
)

// diffVerb is `safe-run diff NAME`.
func (a *app) diffVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "diff NAME|ID", Short: "show what a container has changed in its files", GroupID: groupManage,
		Long: "show what a container that runs has changed in its root, against the image: A is new, C has changed, D is gone. " +
			"What is in memory or on volumes, and what was made for the container (/etc/hosts, mount points), is not listed. " +
			"A root that is read-only, as it is by default, has no changes.",
		Example: "  safe-run diff site",
		Args:    arguments(1, 1, "NAME"), DisableFlagsInUseLine: true,
		ValidArgsFunction: completeRunning,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		live, err := openToLook(args[0])
		if err != nil {
			return err
		}
		defer live.Close()
		changes, err := live.Changes(cmd.Context())
		if err != nil {
			return asRoot(err)
		}
		if a.format == formatJSON {
			return writeJSON(a.std.Out, orEmpty(changes))
		}
		out := bufio.NewWriter(a.std.Out)
		for _, c := range changes {
			_, _ = out.WriteString(string(c.Kind) + " " + escaped(c.Path) + "\n") // Flush has the error
		}
		return out.Flush()
	}
	return cmd
}

// escaped keeps a name on its line, and apart from every other.
func escaped(name string) string {
	if printable(name) != name {
		return strconv.QuoteToASCII(name)
	}
	return name
}

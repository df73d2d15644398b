// Command genman writes the man pages of safe-run, of safe-run-image, which is
// also safe-run image, and of safe-run-oci, from their verbs and flags: genman
// DIR. It is a program of its own so that the launcher does not link a renderer
// of documents.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	images "github.com/safe-run/safe-run/cmd/safe-run-image/cli"
	oci "github.com/safe-run/safe-run/cmd/safe-run-oci/cli"
	"github.com/safe-run/safe-run/cmd/safe-run/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: genman DIR")
		os.Exit(2)
	}
	if err := generate(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "genman: %v\n", err)
		os.Exit(1)
	}
}

// generate writes one page a verb into dir. The pages do not depend on the day
// they are made.
func generate(dir string) error {
	// In this order: the page of safe-run image is that of safe-run-image.
	for _, root := range []*cobra.Command{cli.Root(), images.Root(), command(oci.Manual())} {
		root.DisableAutoGenTag = true
		header := &doc.GenManHeader{Section: "1", Source: "safe-run", Manual: "safe-run"}
		if err := doc.GenManTree(root, header, dir); err != nil {
			return err
		}
	}
	return nil
}

// command is what the manual says in the form that the renderer takes.
func command(m oci.Command) *cobra.Command {
	// What is in angle brackets would be taken for a mark of the renderer's.
	args := strings.NewReplacer("<", "", ">", "").Replace(m.Args)
	c := &cobra.Command{
		Use: strings.TrimSpace(m.Name + " [flags] " + args), Short: m.Usage, Long: m.About,
		DisableFlagsInUseLine: true, Run: func(*cobra.Command, []string) {},
	}
	for _, f := range m.Flags {
		long, short := f.Names[0], ""
		if len(f.Names) > 1 {
			short = f.Names[1]
		}
		if f.Value {
			c.Flags().StringP(long, short, "", f.Usage)
		} else {
			c.Flags().BoolP(long, short, false, f.Usage)
		}
	}
	for _, verb := range m.Verbs {
		c.AddCommand(command(verb))
	}
	return c
}

package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/safe-run/safe-run/spec/problem"
)

const rootExamples = `  safe-run oci:./app                               the image in an OCI layout, under the profile default
  safe-run --profile web -p 127.0.0.1:8080:80 oci-archive:site.tar
  safe-run -it --profile shell dir:./rootfs sh     a shell, with a terminal
  safe-run -v ./data:/data ./tool --input /data    one static program is a whole image
  safe-run explain --profile web oci:./app         what would be enforced, and why`

// helpVerb is `safe-run help [VERB]`.
func (a *app) helpVerb() *cobra.Command {
	return &cobra.Command{
		Use: "help [VERB]", Short: "explain a verb", GroupID: groupDetails,
		RunE: func(cmd *cobra.Command, args []string) error {
			found := cmd.Root()
			for _, word := range args {
				next := child(found, word)
				if next == nil {
					return noVerb(found, word)
				}
				found = next
			}
			return found.Help()
		},
	}
}

func child(cmd *cobra.Command, name string) *cobra.Command {
	for _, c := range cmd.Commands() {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

func childNames(cmd *cobra.Command) (names []string) {
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	return names
}

func noVerb(parent *cobra.Command, word string) error {
	hint := "see " + parent.CommandPath() + " --help"
	if near := nearest(word, childNames(parent)); near != "" {
		hint = "did you mean `" + parent.CommandPath() + " " + near + "`?"
	}
	return usageError(problem.New(hint, "there is no verb %q", strings.TrimPrefix(parent.CommandPath()+" "+word, "safe-run ")))
}

// help prints what cmd does: examples first.
func (a *app) help(cmd *cobra.Command, _ []string) {
	cmd.InitDefaultHelpFlag() // cobra adds it only to what runs
	w, p, columns := cmd.OutOrStdout(), paletteFor(a.std.Out), width(a.std.Out)
	for i, paragraph := range strings.Split(cmd.CommandPath()+": "+describe(cmd), "\n\n") {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, strings.Join(wrap(paragraph, columns), "\n"))
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, "\n%s\n%s\n", p.bold("Examples:"), cmd.Example)
	}
	fmt.Fprintf(w, "\n%s\n  %s\n", p.bold("Usage:"), cmd.UseLine())
	helpVerbs(w, p, columns, cmd)
	helpFlags(w, p, columns, cmd)
	if !cmd.HasParent() {
		fmt.Fprintln(w, "\nFlags of run: safe-run run --help. Any verb: safe-run VERB --help.")
	}
}

func describe(cmd *cobra.Command) string {
	if cmd.Long != "" {
		return cmd.Long
	}
	return cmd.Short
}

func helpVerbs(w io.Writer, p palette, columns int, cmd *cobra.Command) {
	groups := cmd.Groups()
	if len(groups) == 0 {
		groups = []*cobra.Group{{Title: "Verbs"}}
	}
	for _, g := range groups {
		var entries [][2]string
		for _, c := range cmd.Commands() {
			if c.GroupID == g.ID && !c.Hidden {
				entries = append(entries, [2]string{c.Name(), c.Short})
			}
		}
		helpEntries(w, p, columns, helpSection{g.Title, 12, entries})
	}
}

func helpFlags(w io.Writer, p palette, columns int, cmd *cobra.Command) {
	if !cmd.HasParent() {
		return
	}
	byGroup := map[group][][2]string{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		var g group
		if of, ok := f.Annotations[groupKey]; ok {
			g = group(of[0])
		}
		byGroup[g] = append(byGroup[g], [2]string{flagLine(f), f.Usage})
	})
	for _, g := range append(groups, "") {
		title := string(g)
		if g == "" {
			title = "Flags"
		}
		helpEntries(w, p, columns, helpSection{title, 30, byGroup[g]})
	}
}

func flagLine(f *pflag.Flag) string {
	line := "    --" + f.Name
	if f.Shorthand != "" {
		line = "-" + f.Shorthand + ", --" + f.Name
	}
	if arg := flagArg(f); arg != "" {
		line += " " + arg
	}
	return line
}

// helpSection is a heading and lines of two columns.
type helpSection struct {
	title   string
	left    int // width of the left column
	entries [][2]string
}

func helpEntries(w io.Writer, p palette, columns int, s helpSection) {
	if len(s.entries) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", p.bold(s.title+":"))
	for _, e := range s.entries {
		lines := wrap(e[1], columns-s.left-4)
		if utf8.RuneCountInString(e[0]) > s.left {
			fmt.Fprintf(w, "  %s\n", e[0])
			e[0] = ""
		}
		for _, line := range lines {
			fmt.Fprintf(w, "  %-*s  %s\n", s.left, e[0], line)
			e[0] = ""
		}
	}
}

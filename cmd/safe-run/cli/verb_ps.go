package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/spec/problem"
)

// psVerb is `safe-run ps`.
func (a *app) psVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ps [flags]", Short: "list containers", GroupID: groupManage, Aliases: []string{"ls"},
		Long: "list the containers that run, and with -a those that have ended too. One that runs in the foreground of a terminal " +
			"leaves nothing behind when it ends.",
		Example: "  safe-run ps -a\n  safe-run ps --filter status=exited --filter label=job\n  safe-run stop $(safe-run ps -q)",
		Args:    arguments(0, 0, ""), DisableFlagsInUseLine: true, Annotations: templates,
	}
	var o psOptions
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "list those that have ended too")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print ids only")
	f.BoolVar(&o.whole, "no-trunc", false, "print ids and commands in full")
	f.BoolVarP(&o.latest, "latest", "l", false, "the newest only, whether it runs or not")
	f.IntVarP(&o.last, "last", "n", -1, "the `N` newest, whether they run or not")
	filters := f.StringArray("filter", nil, "only those that match `KEY=VALUE`: name, id, status, label, exited, ancestor, volume or health")
	f.Lookup("filter").Shorthand = "f"
	cmd.RunE = func(*cobra.Command, []string) (err error) {
		if o.filter, err = parseFilters(*filters); err != nil {
			return err
		}
		rows, err := listAll(o.everything())
		if err != nil {
			return asRoot(err)
		}
		return a.listContainers(o.choose(rows), o)
	}
	return cmd
}

// psOptions is which containers ps lists, and how.
type psOptions struct {
	all, quiet, whole, latest bool
	last                      int
	filter                    psFilter
}

// everything says whether those that have ended are looked at.
func (o psOptions) everything() bool {
	return o.all || o.latest || o.last >= 0 || len(o.filter["status"]) > 0 || len(o.filter["exited"]) > 0
}

// choose leaves out what is not asked for.
func (o psOptions) choose(rows []row) []row {
	out := []row{}
	for _, r := range rows {
		if o.filter.match(r) {
			out = append(out, r)
		}
	}
	most := o.last
	if o.latest {
		most = 1
	}
	if most >= 0 && len(out) > most {
		out = out[:most]
	}
	return out
}

func (a *app) listContainers(rows []row, o psOptions) error {
	id := shortID
	if o.whole {
		id = func(id string) string { return id }
	}
	if a.format == formatJSON && !o.quiet {
		return writeJSON(a.std.Out, orEmpty(rows))
	}
	if o.quiet {
		var ids strings.Builder
		for _, r := range rows {
			fmt.Fprintln(&ids, id(r.ID))
		}
		_, err := io.WriteString(a.std.Out, ids.String())
		return err
	}
	if a.format.isTemplate() {
		return writeTemplate(a.std.Out, a.format, psLines(rows, o, id))
	}
	t := table{head: []string{"CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"}}
	for _, r := range rows {
		t.add(id(r.ID), r.Image, quoteCommand(r.Command, o.whole), age(time.Since(r.Created))+" ago", r.describe(), strings.Join(r.Ports, ", "), r.Name)
	}
	return t.write(a.std.Out, unbroken, paletteFor(a.std.Out))
}

// asRoot says why somebody cannot see what runs: who runs what, and how, is
// nobody else's business.
func asRoot(err error) error {
	if errors.Is(err, fs.ErrPermission) && problem.HintOf(err) == "" {
		return problem.New("run safe-run as root", "%w", err)
	}
	return err
}

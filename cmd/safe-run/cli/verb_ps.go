package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox/ledger"
	"github.com/safe-run/safe-run/spec/problem"
)

// psVerb is `safe-run ps`.
func (a *app) psVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ps [flags]", Short: "list containers", GroupID: groupManage, Aliases: []string{"ls"},
		Long: "list the containers that run, and with -a those that have ended too. One that runs in the foreground of a terminal " +
			"leaves nothing behind when it ends.",
		Example: "  safe-run ps -a\n  safe-run ps --filter status=exited --filter label=job\n  safe-run stop $(safe-run ps -q)",
		Args:    arguments(0, 0, ""), DisableFlagsInUseLine: true,
	}
	var o psOptions
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "list those that have ended too")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print ids only")
	f.BoolVar(&o.whole, "no-trunc", false, "print ids and commands in full")
	f.BoolVarP(&o.latest, "latest", "l", false, "the newest only, whether it runs or not")
	f.IntVarP(&o.last, "last", "n", -1, "the `N` newest, whether they run or not")
	filters := f.StringArray("filter", nil, "only those that match `KEY=VALUE`: name, id, status, label, exited or ancestor")
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
	t := table{head: []string{"CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"}}
	for _, r := range rows {
		t.add(id(r.ID), r.Image, quoteCommand(r.Command, o.whole), age(time.Since(r.Created))+" ago", r.describe(), strings.Join(r.Ports, ", "), r.Name)
	}
	return t.write(a.std.Out, unbroken, paletteFor(a.std.Out))
}

// shortID is as much of an id as people need.
func shortID(id string) string { return id[:min(len(id), 12)] }

// unbroken is a width that no row is broken for: scripts cut columns out.
const unbroken = 1 << 20

// commandWidth is as much of a command as ps shows.
const commandWidth = 20

// quoteCommand is a command in quotes, as docker shows it.
func quoteCommand(text string, whole bool) string {
	if runes := []rune(text); !whole && utf8.RuneCountInString(text) > commandWidth {
		text = string(runes[:commandWidth-1]) + "…"
	}
	return strconv.Quote(text)
}

// describe is a status for people.
func (r row) describe() string {
	ago := func(at time.Time) string {
		if at.IsZero() {
			return ""
		}
		return " " + age(time.Since(at)) + " ago"
	}
	switch r.Status {
	case ledger.Running:
		if r.Health != "" {
			return "Up " + age(time.Since(r.Started)) + " (" + r.Health + ")"
		}
		return "Up " + age(time.Since(r.Started))
	case ledger.Paused:
		return "Up " + age(time.Since(r.Started)) + " (Paused)"
	case ledger.Restarting:
		return fmt.Sprintf("Restarting (%d)%s", r.ExitCode, ago(r.Finished))
	case ledger.Exited:
		return fmt.Sprintf("Exited (%d)%s", r.ExitCode, ago(r.Finished))
	case ledger.Created:
		return "Created"
	}
	if r.Damage != "" {
		return "Dead (damaged)"
	}
	return fmt.Sprintf("Dead (%d)%s", r.ExitCode, ago(r.Finished))
}

// age is a time span for people, as docker writes it: its largest unit is
// enough.
func age(d time.Duration) string {
	count := func(n time.Duration, unit string) string {
		if n == 1 {
			return "1 " + unit
		}
		return fmt.Sprintf("%d %ss", n, unit)
	}
	switch {
	case d < time.Second:
		return "less than a second"
	case d < time.Minute:
		return count(d/time.Second, "second")
	case d < time.Hour:
		return count(d/time.Minute, "minute")
	case d < 48*time.Hour:
		return count(d/time.Hour, "hour")
	case d < 14*24*time.Hour:
		return count(d/(24*time.Hour), "day")
	case d < 60*24*time.Hour:
		return count(d/(7*24*time.Hour), "week")
	case d < 2*365*24*time.Hour:
		return count(d/(30*24*time.Hour), "month")
	}
	return count(d/(365*24*time.Hour), "year")
}

// asRoot says why somebody cannot see what runs: who runs what, and how, is
// nobody else's business.
func asRoot(err error) error {
	if errors.Is(err, fs.ErrPermission) && problem.HintOf(err) == "" {
		return problem.New("run safe-run as root", "%w", err)
	}
	return err
}

package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/problem"
)

// psVerb is `safe-run ps`.
func (a *app) psVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ps", Short: "list the containers that run", GroupID: groupManage, Aliases: []string{"ls"},
		Example: "  safe-run ps\n  safe-run ps --format json\n  safe-run stop $(safe-run ps -q)",
		Args:    arguments(0, 0, ""),
	}
	quiet := cmd.Flags().BoolP("quiet", "q", false, "print ids only")
	// Nothing is kept of containers that have ended, so that all are listed.
	cmd.Flags().BoolP("all", "a", false, "")
	cmd.Flags().Lookup("all").Hidden = true
	cmd.RunE = func(*cobra.Command, []string) error {
		list, err := sandbox.List(state.DefaultRoot)
		if err != nil {
			return asRoot(err)
		}
		return a.listContainers(list, *quiet)
	}
	return cmd
}

func (a *app) listContainers(list []sandbox.Info, quiet bool) error {
	if a.format == formatJSON {
		return writeJSON(a.std.Out, orEmpty(list))
	}
	if quiet {
		var ids strings.Builder
		for _, s := range list {
			fmt.Fprintln(&ids, shortID(s.ID))
		}
		_, err := io.WriteString(a.std.Out, ids.String())
		return err
	}
	t := table{head: []string{"NAME", "ID", "IMAGE", "PROFILE", "STATUS", "AGE", "PORTS"}}
	for _, s := range list {
		t.add(s.Name, shortID(s.ID), s.Image, s.Profile, s.Status, age(time.Since(s.Created)), strings.Join(s.Ports, ", "))
	}
	return t.write(a.std.Out, width(a.std.Out), paletteFor(a.std.Out))
}

// shortID is as much of an id as people need.
func shortID(id string) string { return id[:min(len(id), 12)] }

// age is a time span for people: its largest unit is enough.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}

// asRoot says why somebody cannot see what runs: who runs what, and how, is
// nobody else's business.
func asRoot(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return problem.New("run safe-run as root", "%w", err)
	}
	return err
}

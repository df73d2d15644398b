package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/sandbox/state"
	"github.com/safe-run/safe-run/spec/event"
)

// denialsVerb is `safe-run denials NAME`.
func (a *app) denialsVerb() *cobra.Command {
	return &cobra.Command{
		Use: "denials NAME|ID", Short: "show what a container was refused, and how to allow it", GroupID: groupManage,
		Long: "show what a container was refused since it was started: the system call with the arguments that decided, who made it, " +
			"how often, what it would open, and the lines of a profile that would allow it; the packets that the network's rules refused, " +
			"by destination; and what the limits of memory and processes refused. " +
			"It is counted in every run, unless the kernel is older than 5.9, safe-run itself runs below a filter, " +
			"or the profile lets the program load filters, which may have listeners of their own: then --explain asks for it. " +
			"A container in the background is remembered when it has ended.\n\n" +
			"With --format json, one object a line.\n\n" +
			"Not counted are clone3 and openat2, which always fail so that the C library uses the calls that can be filtered, " +
			"and what the kernel itself refuses: " +
			"writes to what is read-only, and files of others.",
		Example: "  safe-run denials site",
		Args:    arguments(1, 1, "NAME"), DisableFlagsInUseLine: true,
		ValidArgsFunction: completeContainers,
		RunE: func(_ *cobra.Command, args []string) error {
			list, err := denialsOf(args[0])
			if err != nil {
				return asRoot(err)
			}
			if a.format == formatJSON {
				return writeDenials(a.std.Out, list)
			}
			return a.printDenials(list)
		},
	}
}

// denialsOf reads what is known of a container.
func denialsOf(ref string) ([]event.Denial, error) {
	t, err := locate(ref)
	if err != nil {
		return nil, err
	}
	if live, err := sandbox.OpenLive(state.DefaultRoot, t.ID); err == nil {
		defer live.Close()
		return live.Denials()
	}
	return sandbox.LoadDenials(filepath.Join(t.book.Dir(t.ID), sandbox.DenialsFile))
}

// writeDenials writes one object a line.
func writeDenials(w io.Writer, list []event.Denial) error {
	for _, d := range list {
		line, err := json.Marshal(d)
		if err != nil {
			return err
		}
		if _, err := w.Write(append(escapeJSON(line), '\n')); err != nil {
			return err
		}
	}
	return nil
}

// printDenials writes a table, and below it what would allow each.
func (a *app) printDenials(list []event.Denial) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(a.std.Out, "nothing was refused")
		return err
	}
	t := table{head: []string{"SEVERITY", "CALL", "ERROR", "COUNT", "PROCESS", "LAST", "IT WOULD OPEN"}}
	for _, d := range list {
		who := "" // the kernel does not say whom limits and network refuse
		if d.Process != "" || d.Pid != 0 {
			who = fmt.Sprintf("%s[%d]", d.Process, d.Pid)
		}
		t.add(string(d.Severity), callText(d), d.Errno, strconv.FormatUint(d.Count, 10), who,
			age(time.Since(d.Last))+" ago", d.Risk)
	}
	if err := t.write(a.std.Out, width(a.std.Out), paletteFor(a.std.Out)); err != nil {
		return err
	}
	for _, d := range list {
		fmt.Fprintf(a.std.Out, "\n%s:", printable(callText(d)))
		if len(d.Allow) == 0 {
			fmt.Fprintf(a.std.Out, " %s\n", printable(d.Instead))
			continue
		}
		fmt.Fprintln(a.std.Out)
		for _, line := range d.Allow {
			fmt.Fprintf(a.std.Out, "    %s\n", printable(line))
		}
	}
	return nil
}

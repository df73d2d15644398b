package cli

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/spec/problem"
)

// topVerb is `safe-run top NAME [PS OPTIONS]`.
func (a *app) topVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "top NAME|ID [PS OPTION...]", Short: "show the processes of a container", GroupID: groupManage,
		Long: "show the processes of a container, as the host's ps(1) does, with -ef or the options given. " +
			"Process and user numbers are the host's.",
		Example: "  safe-run top site\n  safe-run top site -o pid,rss,args",
		Args:    arguments(1, -1, "NAME"), DisableFlagsInUseLine: true,
		ValidArgsFunction: completeRunning,
	}
	cmd.Flags().SetInterspersed(false) // what follows the container is for ps
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return withLive(args[0], func(live *sandbox.Live) error {
			pids, err := live.Processes()
			if err != nil {
				return err
			}
			heads, rows, err := processTable(pids, args[1:])
			if err != nil {
				return err
			}
			if a.format == formatJSON {
				return writeJSON(a.std.Out, map[string]any{"Titles": heads, "Processes": orEmpty(rows)})
			}
			t := table{head: heads}
			for _, row := range rows {
				t.add(row...)
			}
			return t.write(a.std.Out, width(a.std.Out), paletteFor(a.std.Out))
		})
	}
	return cmd
}

// processTable runs ps and keeps the rows of these processes.
func processTable(pids []int, options []string) (heads []string, rows [][]string, err error) {
	if len(options) == 0 {
		options = []string{"-ef"}
	}
	ps, err := exec.LookPath("ps")
	if err != nil {
		return nil, nil, problem.New("install ps, which is in Debian's package procps", "the host has no ps: %w", err)
	}
	// Some options, -f among them, do not go with a list of processes.
	out, err := runPS(ps, append(options[:len(options):len(options)], "-q"+numbers(pids)))
	if err != nil {
		out, err = runPS(ps, options)
	}
	if err != nil {
		return nil, nil, err
	}
	return chooseProcesses(out, pids)
}

// numbers are pids as ps takes them: 1,2,3.
func numbers(pids []int) string {
	var list []string
	for _, pid := range pids {
		list = append(list, strconv.Itoa(pid))
	}
	return strings.Join(list, ",")
}

func runPS(ps string, options []string) (string, error) {
	var said strings.Builder
	cmd := exec.Command(ps, options...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		reason, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		if reason == "" {
			reason = err.Error()
		}
		return "", problem.New("see ps(1) for its options", "ps %s: %.200s", strings.Join(options, " "), reason)
	}
	return string(out), nil
}

// chooseProcesses takes the output of ps apart. The last column may hold spaces.
func chooseProcesses(out string, pids []int) (heads []string, rows [][]string, err error) {
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if heads == nil {
			heads = fields
			if !slices.Contains(heads, "PID") {
				return nil, nil, problem.New("add pid to the columns, as in -o pid,args", "ps shows no column PID, which tells whose processes they are")
			}
			continue
		}
		if len(fields) < len(heads) {
			continue
		}
		last := len(heads) - 1
		row := append(fields[:last:last], strings.Join(fields[last:], " "))
		pid, err := strconv.Atoi(row[slices.Index(heads, "PID")])
		if err == nil && slices.Contains(pids, pid) {
			rows = append(rows, row)
		}
	}
	return heads, rows, nil
}

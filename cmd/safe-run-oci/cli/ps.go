package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

func (a *app) psVerb() *verb {
	format := ""
	return &verb{
		name: "ps", usage: "ps displays the processes running inside a container", args: "<container-id> [ps options]",
		least: 1, most: -1, inOrder: true,
		declare: func(f *flags) { f.text(&format, "format, f", "table", "select one of: table or json") },
		run: func(args []string) (int, error) {
			container, err := a.load(args)
			if err != nil {
				return 0, err
			}
			pids, err := container.Processes()
			if err != nil {
				return 0, a.aboutCgroups("ps", err)
			}
			switch format {
			case "table":
				return 0, a.psTable(pids, args[1:])
			case "json":
				return 0, json.NewEncoder(a.std.Out).Encode(pids)
			}
			return 0, errors.New("invalid format option")
		},
	}
}

// psTable shows those lines of ps(1) that are about pids.
func (a *app) psTable(pids []int, options []string) error {
	if len(options) == 0 {
		options = []string{"-ef"}
	}
	output, err := exec.Command("ps", options...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	title, lines, _ := strings.Cut(string(output), "\n")
	column := slices.Index(strings.Fields(title), "PID")
	if column < 0 {
		return errors.New("couldn't find PID field in ps output")
	}
	fmt.Fprintln(a.std.Out, title)
	for line := range strings.Lines(lines) {
		fields := strings.Fields(line)
		if len(fields) <= column {
			continue
		}
		pid, err := strconv.Atoi(fields[column])
		if err != nil {
			return fmt.Errorf("unable to parse pid: %w", err)
		}
		if slices.Contains(pids, pid) {
			fmt.Fprint(a.std.Out, line)
		}
	}
	return nil
}

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/safe-run/safe-run/sandbox/runc"
)

func (a *app) stateVerb() *verb {
	return &verb{
		name: "state", usage: "output the state of a container", args: "<container-id>", least: 1, most: 1,
		run: a.on(func(container *runc.Bundle) error {
			state, err := container.State()
			if err != nil {
				return err
			}
			data, err := json.MarshalIndent(state, "", "  ")
			if err != nil {
				return err
			}
			_, err = a.std.Out.Write(data)
			return err
		}),
	}
}

func (a *app) listVerb() *verb {
	format, quiet := "", false
	return &verb{
		name: "list", usage: "lists containers started with the given root",
		declare: func(f *flags) {
			f.text(&format, "format, f", "table", "select one of: table or json")
			f.bool(&quiet, "quiet, q", "display only container IDs")
		},
		run: func([]string) (int, error) {
			states, err := a.states()
			if err != nil {
				return 0, err
			}
			return 0, a.list(states, format, quiet)
		},
	}
}

func (a *app) list(states []runc.BundleState, format string, quiet bool) error {
	switch {
	case quiet:
		for _, s := range states {
			fmt.Fprintln(a.std.Out, s.ID)
		}
		return nil
	case format == "json":
		return json.NewEncoder(a.std.Out).Encode(states)
	case format != "table":
		return errors.New("invalid format option")
	}
	w := tabwriter.NewWriter(a.std.Out, 12, 1, 3, ' ', 0)
	fmt.Fprint(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
	for _, s := range states {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n",
			s.ID, s.Pid, s.Status, printable(s.Bundle), s.Created.Format(time.RFC3339Nano), s.Owner)
	}
	return w.Flush()
}

// states looks at every container. One that cannot be read is told about and
// does not hide the others.
func (a *app) states() ([]runc.BundleState, error) {
	entries, err := os.ReadDir(a.root)
	if errors.Is(err, os.ErrNotExist) && !a.rootGiven {
		return nil, nil // nothing has been created yet
	}
	if err != nil {
		return nil, err
	}
	all, err := a.bundles()
	if err != nil {
		return nil, err
	}
	var states []runc.BundleState
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		container, err := all.Load(entry.Name())
		if err == nil {
			var state runc.BundleState
			if state, err = container.State(); err == nil {
				state.Owner = owner(info)
				states = append(states, state)
			}
		}
		if err != nil {
			fmt.Fprintf(a.std.Err, "load container %s: %v\n", printable(entry.Name()), err)
		}
	}
	return states, nil
}

// owner names who a directory belongs to, by number where there is no name.
func owner(info os.FileInfo) string {
	uid := strconv.FormatUint(uint64(info.Sys().(*syscall.Stat_t).Uid), 10)
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return "#" + uid
}

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// profileAllowVerb is `safe-run profile allow PROFILE CONTAINER [CALL...]`.
func (a *app) profileAllowVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "allow [--name NEW] PROFILE CONTAINER [CALL|CONTROL|ADDRESS...]", Short: "print a profile that allows what a container was refused",
		Long: "print a profile that extends another and allows what a container was refused, or only the calls, controls (network, memory, pids) or addresses that are named. " +
			"Nothing is changed: look at it, say why each line is there, and keep it as a file. " +
			"`safe-run denials CONTAINER` shows what each line would open.",
		Example:               "  safe-run profile allow web site > ./site.yaml\n  safe-run profile allow web site socket > ./site.yaml\n  safe-run profile diff web ./site.yaml",
		Args:                  arguments(2, -1, "PROFILE CONTAINER"),
		DisableFlagsInUseLine: true,
	}
	name := cmd.Flags().String("name", "", "`NAME` of the new profile (default the container's)")
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, to string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return completeProfiles(1)(cmd, args, to)
		}
		return completeContainers(cmd, args, to)
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if _, err := resolvePolicy(runOptions{Profile: args[0]}); err != nil {
			return err
		}
		list, err := denialsOf(args[1])
		if err == nil {
			list, err = onlyCalls(list, args[2:])
		}
		if err != nil {
			return asRoot(err)
		}
		if *name == "" {
			*name = strings.ToLower(args[1])
		}
		return a.printAllowing(args[0], *name, list)
	}
	return cmd
}

// onlyCalls leaves the denials of the calls that are named, or all.
func onlyCalls(list []event.Denial, calls []string) ([]event.Denial, error) {
	for _, call := range calls {
		if !slices.ContainsFunc(list, func(d event.Denial) bool { return isCall(d, call) }) {
			return nil, problem.New("safe-run denials shows what was", "no %.40q was refused", call)
		}
	}
	if len(calls) == 0 {
		return list, nil
	}
	return slices.DeleteFunc(list, func(d event.Denial) bool {
		return !slices.ContainsFunc(calls, func(call string) bool { return isCall(d, call) })
	}), nil
}

// isCall says whether a denial is meant by a word: a call, a control (network), or
// an address.
func isCall(d event.Denial, word string) bool {
	return word != "" && (d.Syscall == word || d.Control == word || d.Address == word)
}

// printAllowing prints a profile above base that allows these denials.
func (a *app) printAllowing(base, name string, list []event.Denial) error {
	p := profiles.Profile{Metadata: profiles.Metadata{Name: name}, Extends: []string{base}}
	allowed := false
	for _, d := range list {
		if len(d.Allow) == 0 {
			report(a.std.Err, paletteFor(a.std.Err), problem.New(d.Instead, "%s cannot be allowed", callText(d)))
			continue
		}
		one, err := profiles.Decode("denial", []byte(allowDocument(d)))
		if err != nil {
			report(a.std.Err, paletteFor(a.std.Err), fmt.Errorf("the lines that would allow %s cannot be used: %w", callText(d), err))
			continue
		}
		one.Metadata, allowed = profiles.Metadata{}, true
		p = profiles.Layer(p, one)
	}
	if !allowed {
		return problem.New("safe-run denials shows what was", "nothing was refused that a profile can allow")
	}
	p.Metadata.Name, p.Extends = name, []string{base}
	var left int
	if p.Network.Egress, left = fewerRules(p.Network.Egress); left > 0 {
		report(a.std.Err, paletteFor(a.std.Err), problem.New("name a prefix that holds them, as in 10.1.0.0/16, or internet",
			"%d more destinations have no room in one profile", left))
	}
	if a.format == formatJSON {
		return writeJSON(a.std.Out, p)
	}
	data, err := profiles.Encode(p)
	if err == nil {
		_, err = a.std.Out.Write(data)
	}
	return err
}

// allowDocument is a profile of the lines of one denial, each with who needed
// it as its reason.
func allowDocument(d event.Denial) string {
	who := d.Process
	if who == "" {
		who = "a process"
	}
	does := "calls"
	if d.Control == event.Network {
		does = "sends"
	}
	why := fmt.Sprintf("%q", printable(fmt.Sprintf("%s %s %s; say what for", who, does, callText(d))))
	// Only where it stands for a reason: a path in a line is the container's to choose.
	lines := ""
	for _, line := range d.Allow {
		if before, ok := strings.CutSuffix(line, "why: ...}"); ok {
			line = before + "why: " + why + "}"
		} else if before, ok := strings.CutSuffix(line, "why: ..."); ok && strings.TrimSpace(before) == "" {
			line = before + "why: " + why
		}
		lines += line + "\n"
	}
	return "apiVersion: " + profiles.APIVersion + "\nkind: " + profiles.Kind + "\nmetadata: {name: denial}\n" + lines
}

// The most that one profile takes (profiles, maxEgress).
const (
	mostRules = 64
	mostPorts = 64
)

// fewerRules makes one rule of those to the same address, and says how many
// there is no room for.
func fewerRules(rules []profiles.Egress) (out []profiles.Egress, left int) {
	at := map[string]int{}
	for _, r := range rules {
		i, known := at[r.To]
		switch {
		case known && len(out[i].Ports)+len(r.Ports) <= mostPorts:
			out[i].Ports = append(slices.Clone(out[i].Ports), r.Ports...)
		case len(out) == mostRules:
			left++
		default:
			at[r.To] = len(out)
			out = append(out, r)
		}
	}
	return out, left
}

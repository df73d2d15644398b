package cli

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// mostTold bounds the denials that the end of a run tells of.
const mostTold = 5

// worthTelling gives those that somebody wants to know of who has not asked:
// grave ones always, and others when the program failed, because they may be
// why. Minor are the calls that programs try and mostly go on without.
func worthTelling(exit sandbox.Exit) (told []event.Denial, minor []string) {
	failed := exit.Code != 0 && !exit.Requested
	for _, d := range exit.Denials {
		switch {
		case d.Control != event.Seccomp && d.Control != event.Network: // what it was killed for is said already
		case d.Severity == event.High, failed && d.Severity == event.Medium:
			told = append(told, d)
		case failed && !d.Harmless && !slices.Contains(minor, callText(d)):
			minor = append(minor, callText(d))
		}
	}
	return told, minor
}

// tellDenials prints what a run was refused, a line and a hint each.
func tellDenials(w *os.File, list []event.Denial, minor []string) {
	const all = "run it with --explain to see each of them, and how to allow it"
	for i, d := range list {
		if i == mostTold {
			report(w, paletteFor(w), problem.New(all, "%d other kinds of denials", len(list)-mostTold))
			break
		}
		report(w, paletteFor(w), problem.New(allowHint(d), "%s", denialLine(d)))
	}
	if len(minor) > 0 {
		report(w, paletteFor(w), problem.New(all, "denied by seccomp, which may be why: %s",
			strings.Join(minor[:min(len(minor), mostTold)], ", ")))
	}
}

// tellDenial prints one denial the moment it happens.
func tellDenial(std IO, o runOptions, d event.Denial) {
	if o.Format == formatJSON {
		_ = writeDenials(std.Err, []event.Denial{d})
		return
	}
	report(std.Err, paletteFor(std.Err), problem.New(allowHint(d), "%s", denialLine(d)))
}

// tellFrozen says that a container was paused for what it tried.
func tellFrozen(std IO, name string, d event.Denial) {
	report(std.Err, paletteFor(std.Err), problem.New("look at it, then: safe-run unpause "+name+", or safe-run kill "+name,
		"%s is paused: it called %s, and the profile freezes for that (seccomp.onViolation.%s)", name, callText(d), d.Severity))
}

// denialLine is a denial in one line.
func denialLine(d event.Denial) string {
	if d.Control == event.Kernel && d.Syscall == "" || d.Control == event.Network && d.Address == "" {
		return fmt.Sprintf("denied by %s, %d times: %s", d.Control, d.Count, d.Meaning)
	}
	if d.Control == event.Memory || d.Control == event.Pids {
		return fmt.Sprintf("denied by the limit of %s, %d times: %s", d.Control, d.Count, d.Meaning)
	}
	line := fmt.Sprintf("denied by %s: %s failed with %s", d.Control, callText(d), d.Errno)
	switch {
	case d.Control == event.Network:
		line = fmt.Sprintf("denied by network: %s was refused", callText(d))
	case d.Process != "" && d.Pid != 0:
		line += fmt.Sprintf(" in %s (pid %d)", d.Process, d.Pid)
	case d.Process != "":
		line += " in " + d.Process
	}
	if d.Count > 1 {
		line += fmt.Sprintf(", %d times", d.Count)
	}
	if d.Meaning != "" {
		line += "; " + d.Meaning
	}
	if d.Risk != "" {
		line += "; it would open " + d.Risk
	}
	return line
}

// callText is a call with the arguments that decided: socket(family AF_ALG); or
// what was to be sent where: tcp to 203.0.113.1:443.
func callText(d event.Denial) string {
	switch {
	case d.Address != "" && d.Port != 0:
		return d.Protocol + " to " + net.JoinHostPort(d.Address, strconv.Itoa(int(d.Port)))
	case d.Address != "":
		return d.Protocol + " to " + d.Address
	case d.Syscall == "":
		return d.Control
	}
	if len(d.Arguments) == 0 {
		return d.Syscall
	}
	return d.Syscall + "(" + strings.Join(d.Arguments, ", ") + ")"
}

// allowHint is what would allow a denial, in one line.
func allowHint(d event.Denial) string {
	if len(d.Allow) == 0 {
		return d.Instead
	}
	return "to allow it, in a profile: " + flowOf(d.Allow)
}

// flowOf writes the lines of a profile in one: seccomp.allow: [{name: x}].
func flowOf(lines []string) string {
	var parts []string
	section := ""
	for _, line := range lines {
		text := strings.TrimSpace(line)
		switch depth := len(line) - len(strings.TrimLeft(line, " ")); {
		case depth == 0:
			section = strings.TrimSuffix(text, ":")
		case strings.HasPrefix(text, "- "):
			parts = append(parts, section+": ["+strings.TrimPrefix(text, "- ")+"]")
		case strings.Contains(text, ": "):
			parts = append(parts, section+"."+text)
		default:
			section += "." + strings.TrimSuffix(text, ":")
		}
	}
	return strings.Join(parts, " and ")
}

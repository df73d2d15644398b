package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/safe-run/safe-run/sandbox"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
)

// mostTold bounds the denials that the end of a run tells of.
const mostTold = 5

// worthTelling leaves those that somebody wants to know of who has not asked:
// when the program failed they may be why, and grave ones always.
func worthTelling(exit sandbox.Exit) []event.Denial {
	var out []event.Denial
	for _, d := range exit.Denials {
		if d.Severity == event.High || exit.Code != 0 && !exit.Requested && d.Severity != event.Low {
			out = append(out, d)
		}
	}
	if len(out) > 0 || exit.Code == 0 || exit.Requested {
		return out
	}
	return exit.Denials
}

// tellDenials prints what a run was refused, a line and a hint each.
func tellDenials(w *os.File, list []event.Denial) {
	for i, d := range list {
		if i == mostTold {
			report(w, paletteFor(w), problem.New("--explain shows each of them", "%d other kinds of denials", len(list)-mostTold))
			return
		}
		report(w, paletteFor(w), problem.New(allowHint(d), "%s", denialLine(d)))
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

// denialLine is a denial in one line.
func denialLine(d event.Denial) string {
	line := fmt.Sprintf("denied by %s: %s failed with %s", d.Control, callText(d), d.Errno)
	if d.Process != "" {
		line += fmt.Sprintf(" in %s (pid %d)", d.Process, d.Pid)
	}
	if d.Count > 1 {
		line += fmt.Sprintf(", %d times", d.Count)
	}
	if d.Risk != "" {
		line += "; it would open " + d.Risk
	}
	return line
}

// callText is a call with the arguments that decided: socket(family AF_ALG).
func callText(d event.Denial) string {
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
		default:
			section += "." + strings.TrimSuffix(text, ":")
		}
	}
	return strings.Join(parts, " and ")
}

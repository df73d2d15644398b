package cli

import (
	"os"
	"slices"
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
func denialLine(d event.Denial) string { return d.Line() }

// callText is a call with the arguments that decided.
func callText(d event.Denial) string { return d.Call() }

// allowHint is what would allow a denial, in one line.
func allowHint(d event.Denial) string { return d.Hint() }

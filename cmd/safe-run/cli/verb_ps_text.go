package cli

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/safe-run/safe-run/sandbox/ledger"
)

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
		switch r.Health {
		case "":
		case ledger.HealthStarting:
			return "Up " + age(time.Since(r.Started)) + " (health: starting)"
		default:
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

package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// printable makes text safe to show on a terminal: names come from strangers.
func printable(s string) string {
	var out strings.Builder
	for _, c := range strings.ToValidUTF8(s, "?") {
		switch {
		case unicode.IsPrint(c):
			out.WriteRune(c)
		case c == '\n' || c == '\r' || c == '\t':
			out.WriteByte(' ')
		default:
			fmt.Fprintf(&out, "\\x%02x", c)
		}
	}
	return out.String()
}

// writeTable writes rows below a head, as docker lays tables out.
func (a *app) writeTable(head []string, rows [][]string) error {
	t := tabwriter.NewWriter(a.std.Out, 0, 0, 3, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable(cell)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

// shortDigest is as much of a digest as people need.
func shortDigest(digest string) string {
	hexa := strings.TrimPrefix(digest, "sha256:")
	return hexa[:min(len(hexa), 12)]
}

// size shows a number of bytes with three digits or so.
func size(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1024, 0
	for ; value >= 1023.5; unit++ {
		value /= 1024
	}
	if value < 99.95 {
		return fmt.Sprintf("%.1f %ciB", value, units[unit])
	}
	return fmt.Sprintf("%.0f %ciB", value, units[unit])
}

// ago is how long something has been for people: its largest unit is enough.
func ago(t, now time.Time) string {
	if t.Unix() <= 0 {
		return "-" // as reproducible builds say it
	}
	d := now.Sub(t)
	for _, u := range []struct {
		span time.Duration
		name string
	}{{365 * 24 * time.Hour, "year"}, {30 * 24 * time.Hour, "month"}, {24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if n := int(d / u.span); n == 1 {
			return "1 " + u.name + " ago"
		} else if n > 1 {
			return fmt.Sprintf("%d %ss ago", n, u.name)
		}
	}
	return "just now"
}

// plural counts things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

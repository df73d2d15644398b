package report

import (
	"strings"
	"unicode"
)

// line makes text fit for one line of anything: what does not print, what turns
// the direction of writing (U+202E) and what ends a line becomes a replacement
// character, and the whole is bounded.
func line(s string) string {
	const most = 4 << 10
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// lines are cleaned one by one, and joined.
func joined[S ~string](all []S, between string) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = line(string(s))
	}
	return strings.Join(out, between)
}

// plural counts things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return itoa(n) + " " + thing + "s"
}

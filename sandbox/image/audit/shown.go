package audit

import (
	"fmt"
	"strings"
	"unicode"
)

// maxShown bounds one text of a finding in characters, and maxLine a line of
// the history.
const (
	maxShown = 1024
	maxLine  = 160
)

// shown makes a text from the image safe to print: no secret that has a known
// shape, nothing that a terminal acts on, and not endless.
func shown(text string) string {
	return printable(mask(clip(text, 4*maxShown)), maxShown)
}

// shownLine is shown for a line of the history, which may hold secrets in the
// values of its variables too.
func shownLine(line string) string {
	return printable(maskLine(clip(line, maxScannedLine)), maxLine)
}

func printable(text string, most int) string {
	var out strings.Builder
	n := 0
	for _, c := range strings.ToValidUTF8(text, "?") {
		if n++; n > most {
			out.WriteString("...")
			break
		}
		switch {
		case c == '\n' || c == '\t' || c == '\r':
			out.WriteByte(' ')
		case unicode.IsPrint(c):
			out.WriteRune(c)
		default:
			fmt.Fprintf(&out, "\\x%02x", c)
		}
	}
	return out.String()
}

// clip shortens a text by bytes.
func clip(text string, most int) string {
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}

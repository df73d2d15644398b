package cli

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// columnsOf is the width of a terminal; 0 where w is none: what is piped on is
// one line each.
func columnsOf(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// hanging is how far the rest of a line that was broken stands in.
const hanging = 2

// wrapped breaks lines that are longer than width at spaces. A word that is
// longer has a line of its own: a path that is broken in two cannot be copied.
func wrapped(text string, width int) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if utf8.RuneCountInString(line) <= width {
			out.WriteString(line + "\n")
			continue
		}
		indent := len(line) - len(strings.TrimLeft(line, " "))
		at := 0
		for i, word := range strings.Fields(line) {
			n := utf8.RuneCountInString(word)
			switch {
			case i == 0:
				out.WriteString(line[:indent])
				at = indent
			case at+1+n <= width:
				out.WriteByte(' ')
				at++
			default:
				out.WriteString("\n" + strings.Repeat(" ", indent+hanging))
				at = indent + hanging
			}
			out.WriteString(word)
			at += n
		}
		out.WriteByte('\n')
	}
	return out.String()
}

package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A table is rows of text under a head. The last column takes what width is
// left and is wrapped; so is every other one that is wider than its share.
type table struct {
	head []string
	rows [][]string
	// paint colours a cell; nil leaves all plain.
	paint func(row, column int, text string) string
}

const columnGap = 2

// add appends a row; its cells are made safe to show.
func (t *table) add(cells ...string) {
	for i, cell := range cells {
		cells[i] = printable(cell)
	}
	t.rows = append(t.rows, cells)
}

// write prints the table in width columns, or in more where words are too long
// for it: a path that is broken in two cannot be copied.
func (t *table) write(to io.Writer, width int, p palette) error {
	w := &strings.Builder{}
	widths := t.widths(width)
	heads := make([]string, len(t.head))
	copy(heads, t.head)
	t.writeRow(w, widths, heads, func(_ int, text string) string { return p.bold(text) })
	for i, row := range t.rows {
		t.writeRow(w, widths, row, func(column int, text string) string {
			if t.paint == nil {
				return text
			}
			return t.paint(i, column, text)
		})
	}
	_, err := io.WriteString(to, w.String())
	return err
}

// narrow is the width below which a column of text is tiresome to read.
const narrow = 20

// widths shares the width out: the widest columns are narrowed first, none
// below its longest word, and none of text below narrow.
func (t *table) widths(width int) []int {
	widths, least := make([]int, len(t.head)), make([]int, len(t.head))
	total := columnGap * (len(widths) - 1)
	for i := range widths {
		for _, row := range append(t.rows, t.head) {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
			for _, word := range strings.Fields(row[i]) {
				least[i] = max(least[i], utf8.RuneCountInString(word))
			}
		}
		least[i] = max(least[i], min(widths[i], narrow))
		total += widths[i]
	}
	for ; total > width; total-- {
		widest := -1
		for i := range widths {
			if widths[i] > least[i] && (widest < 0 || widths[i] >= widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

func (t *table) writeRow(w io.Writer, widths []int, cells []string, paint func(int, string) string) {
	wrapped := make([][]string, len(cells))
	lines := 1
	for i, cell := range cells {
		wrapped[i] = wrap(cell, widths[i])
		lines = max(lines, len(wrapped[i]))
	}
	for n := range lines {
		var line strings.Builder
		pad := 0
		for i := range cells {
			text := ""
			if n < len(wrapped[i]) {
				text = wrapped[i][n]
			}
			if text != "" {
				line.WriteString(strings.Repeat(" ", pad))
				line.WriteString(paint(i, text))
				pad = 0
			}
			pad += widths[i] - utf8.RuneCountInString(text) + columnGap
		}
		fmt.Fprintln(w, line.String())
	}
}

// wrap breaks text at spaces into lines of at most width characters; a word
// that is longer has a line of its own.
func wrap(text string, width int) []string {
	var lines []string
	line, length := "", 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case length == 0:
			line, length = word, n
		case length+1+n <= width:
			line, length = line+" "+word, length+1+n
		default:
			lines = append(lines, line)
			line, length = word, n
		}
	}
	return append(lines, line)
}

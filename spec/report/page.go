package report

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

func itoa(n int) string { return strconv.Itoa(n) }

// page is a table for people while it is written.
type page struct {
	out   strings.Builder
	look  Look
	width int
}

func newPage(look Look) *page {
	p := &page{look: look, width: look.Width}
	if p.width <= 0 {
		p.width = 100
	}
	p.width = max(p.width, 60)
	return p
}

// The paints of a terminal, by what they mean.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint colours text that is clean already.
func (p *page) paint(style, text string) string {
	if !p.look.Colour || style == "" || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

func (p *page) say(format string, args ...any) { fmt.Fprintf(&p.out, format+"\n", args...) }

// heading begins a part.
func (p *page) heading(text string) { p.say("\n%s", p.paint(bold, line(text))) }

// prose is text below an indent, wrapped. Lines that begin at the margin are the
// report's own: text from outside never does, wherever it is broken.
func (p *page) prose(indent int, style, text string) {
	for i, one := range wrap(line(text), p.width-indent-2) {
		if one != "" {
			p.say("%s%s", strings.Repeat(" ", indent+2*min(i, 1)), p.paint(style, one))
		}
	}
}

// cell is one of a row.
type cell struct{ text, style string }

// rows are laid out in columns two spaces apart; the last takes what width is
// left and is wrapped.
func (p *page) rows(indent int, head []string, rows [][]cell) {
	if len(rows) == 0 {
		return
	}
	if head != nil {
		first := make([]cell, len(head))
		for i, h := range head {
			first[i] = cell{h, dim}
		}
		rows = append([][]cell{first}, rows...)
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i := range row {
			row[i].text = line(row[i].text)
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].text))
		}
	}
	last := len(widths) - 1
	before := indent
	for _, w := range widths[:last] {
		before += w + 2
	}
	for _, row := range rows {
		p.row(indent, row, widths, wrap(row[last].text, max(p.width-before, 24)))
	}
}

func (p *page) row(indent int, row []cell, widths []int, tail []string) {
	last := len(widths) - 1
	for n, text := range tail {
		var out strings.Builder
		pad := indent
		for i, c := range row[:last] {
			if n == 0 && c.text != "" {
				out.WriteString(strings.Repeat(" ", pad) + p.paint(c.style, c.text))
				pad = widths[i] - utf8.RuneCountInString(c.text) + 2
			} else {
				pad += widths[i] + 2
			}
		}
		if text != "" {
			out.WriteString(strings.Repeat(" ", pad) + p.paint(row[last].style, text))
		}
		p.say("%s", out.String())
	}
}

// wrap breaks text at spaces; a word that is longer than a line has one of its
// own. It gives at least one line.
func wrap(text string, width int) []string {
	var out []string
	current, length := "", 0
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case length == 0:
			current, length = word, n
		case length+1+n <= width:
			current, length = current+" "+word, length+1+n
		default:
			out = append(out, current)
			current, length = word, n
		}
	}
	return append(out, current)
}

// bar is a part of a whole, in width characters.
func bar(part, whole, width int) string {
	if whole <= 0 {
		return ""
	}
	full := part * width / whole
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

// Package diff shows what two texts have not in common, line by line, in the
// unified form that patch(1) reads.
package diff

import (
	"fmt"
	"strings"
	"unicode"
)

// around is how many lines that are alike are shown about a change.
const around = 3

// mostSteps bounds the work: texts that have hardly a line in common are shown
// as one taken out and another put in.
const mostSteps = 1000

// Unified is the difference between two texts; empty where there is none.
func Unified(oldName, newName string, before, after []byte) string {
	a, b := lines(before), lines(after)
	edits := compare(a, b)
	hunks := group(edits)
	if len(hunks) == 0 {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", plain(oldName), plain(newName))
	for _, h := range hunks {
		h.write(&out)
	}
	return out.String()
}

// lines takes a text apart. The last line is marked where no newline ends it.
func lines(text []byte) []string {
	all := strings.Split(string(text), "\n")
	if all[len(all)-1] == "" {
		return all[:len(all)-1]
	}
	all[len(all)-1] += "\n\\ No newline at end of file"
	return all
}

// edit is a line that is in both texts (' '), the old one ('-') or the new one
// ('+'), with the number of lines before it in each.
type edit struct {
	kind     byte
	line     string
	old, new int
}

// compare finds a shortest way from a to b (Myers, An O(ND) Difference Algorithm
// and Its Variations, 1986).
func compare(a, b []string) []edit {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var out []edit
	add := func(kind byte, line string) {
		e := edit{kind: kind, line: line}
		if n := len(out); n > 0 {
			last := out[n-1]
			e.old, e.new = last.old, last.new
			if last.kind != '+' {
				e.old++
			}
			if last.kind != '-' {
				e.new++
			}
		}
		out = append(out, e)
	}
	for _, line := range a[:head] {
		add(' ', line)
	}
	middle(a[head:len(a)-tail], b[head:len(b)-tail], add)
	for _, line := range a[len(a)-tail:] {
		add(' ', line)
	}
	return out
}

// middle goes from a to b by the shortest way.
func middle(a, b []string, add func(byte, string)) {
	trace, found := search(a, b)
	if !found {
		for _, line := range a {
			add('-', line)
		}
		for _, line := range b {
			add('+', line)
		}
		return
	}
	type step struct{ x, y, px, py int }
	var steps []step
	x, y := len(a), len(b)
	for d := len(trace) - 1; d > 0; d-- {
		v, k := trace[d-1], x-y
		pk := k - 1
		if k == -d || k != d && at(v, k-1) < at(v, k+1) {
			pk = k + 1
		}
		px := at(v, pk)
		steps = append(steps, step{x, y, px, px - pk})
		x, y = px, px-pk
	}
	for i := range x {
		add(' ', a[i])
	}
	for i := len(steps) - 1; i >= 0; i-- {
		s := steps[i]
		px := s.px
		if s.x-s.y > s.px-s.py {
			add('-', a[s.px])
			px++
		} else {
			add('+', b[s.py])
		}
		for ; px < s.x; px++ {
			add(' ', a[px])
		}
	}
}

// search keeps, for each number of edits, how far one gets on each diagonal.
func search(a, b []string) (trace [][]int, found bool) {
	v := []int{0}
	for d := 0; d <= min(len(a)+len(b), mostSteps); d++ {
		next := make([]int, 2*d+1)
		for k := -d; k <= d; k += 2 {
			x := 0
			switch {
			case d == 0:
			case k == -d || k != d && at(v, k-1) < at(v, k+1):
				x = at(v, k+1)
			default:
				x = at(v, k-1) + 1
			}
			for x < len(a) && x-k < len(b) && x-k >= 0 && a[x] == b[x-k] {
				x++
			}
			next[k+d] = x
			if x >= len(a) && x-k >= len(b) {
				return append(trace, next), true
			}
		}
		trace = append(trace, next)
		v = next
	}
	return nil, false
}

// at is how far diagonal k of a row reaches.
func at(row []int, k int) int {
	d := len(row) / 2
	if k < -d || k > d {
		return -1
	}
	return row[k+d]
}

// hunk is a run of edits with what is about them.
type hunk []edit

// group leaves out what is alike and far from a change.
func group(edits []edit) []hunk {
	var out []hunk
	last := -1 // the last edit that is in a hunk
	for i, e := range edits {
		if e.kind == ' ' {
			continue
		}
		from := max(i-around, last+1)
		if len(out) == 0 || from > last+1 {
			out = append(out, nil)
		}
		h := &out[len(out)-1]
		if i > last {
			*h = append(*h, edits[from:i+1]...)
			last = i
		}
		for last+1 < len(edits) && last-i < around && edits[last+1].kind == ' ' {
			last++
			*h = append(*h, edits[last])
		}
	}
	return out
}

// write writes the hunk with its head.
func (h hunk) write(out *strings.Builder) {
	olds, news := 0, 0
	for _, e := range h {
		if e.kind != '+' {
			olds++
		}
		if e.kind != '-' {
			news++
		}
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", span(h[0].old, olds), span(h[0].new, news))
	for _, e := range h {
		out.WriteString(string(e.kind) + plain(e.line) + "\n")
	}
}

func span(before, n int) string {
	if n == 0 {
		return fmt.Sprintf("%d,0", before)
	}
	return fmt.Sprintf("%d,%d", before+1, n)
}

// plain keeps what a file holds from acting on a terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && r != '\n' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

package cli

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// terminal shows what is written to it, as far as progress uses one: lines
// that wrap, and the sequences that move up and that clear.
type terminal struct {
	t             *testing.T
	mu            sync.Mutex
	columns, rows int
	lines         [][]rune
	x, y          int
}

var sequence = regexp.MustCompile(`^\x1b\[([0-9]*)([A-Za-z])`)

func newTerminal(t *testing.T, columns, rows int) *terminal {
	return &terminal{t: t, columns: columns, rows: rows, lines: [][]rune{nil}}
}

// Write implements io.Writer.
func (v *terminal) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	text := string(p)
	for text != "" {
		if m := sequence.FindStringSubmatch(text); m != nil {
			v.do(m[1], m[2])
			text = text[len(m[0]):]
			continue
		}
		c := []rune(text)[0]
		v.put(c)
		text = text[len(string(c)):]
	}
	return len(p), nil
}

func (v *terminal) do(number, what string) {
	n, _ := strconv.Atoi(number)
	switch what {
	case "A":
		if n > v.y {
			v.t.Errorf("moved %d lines up in line %d", n, v.y)
			n = v.y
		}
		if n >= v.rows {
			v.t.Errorf("moved %d lines up on a screen of %d", n, v.rows)
		}
		v.y -= n
	case "J":
		v.lines = v.lines[:v.y+1]
		fallthrough
	case "K":
		v.lines[v.y] = v.lines[v.y][:min(v.x, len(v.lines[v.y]))]
	case "m": // a colour
	default:
		v.t.Errorf("unknown sequence ESC [ %s%s", number, what)
	}
}

func (v *terminal) put(c rune) {
	switch {
	case c == '\r':
		v.x = 0
		return
	case c == '\n':
		v.y, v.x = v.y+1, 0
	case c < ' ':
		v.t.Errorf("control character %q", c)
	default:
		if v.x >= v.columns {
			v.y, v.x = v.y+1, 0
		}
		for v.y >= len(v.lines) {
			v.lines = append(v.lines, nil)
		}
		for v.x > len(v.lines[v.y]) {
			v.lines[v.y] = append(v.lines[v.y], ' ')
		}
		v.lines[v.y] = append(v.lines[v.y][:v.x], append([]rune{c}, v.lines[v.y][min(v.x+1, len(v.lines[v.y])):]...)...)
		v.x++
	}
	for v.y >= len(v.lines) {
		v.lines = append(v.lines, nil)
	}
}

// resize makes the terminal narrower or wider: what is there is wrapped anew,
// as terminals do, and the cursor stays at the end.
func (v *terminal) resize(columns int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var wrapped [][]rune
	for _, line := range v.lines {
		for len(line) > columns {
			wrapped = append(wrapped, line[:columns:columns])
			line = line[columns:]
		}
		wrapped = append(wrapped, line)
	}
	v.columns, v.lines = columns, wrapped
	v.y, v.x = len(wrapped)-1, 0
}

// screen is what is shown.
func (v *terminal) screen() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []string
	for _, line := range v.lines {
		out = append(out, strings.TrimRight(string(line), " "))
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n")
}

func (v *terminal) String() string { return fmt.Sprintf("%q", v.screen()) }

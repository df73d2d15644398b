package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/safe-run/safe-run/sandbox/image/pull"
)

// screen is the lines of a terminal that are drawn over again.
type screen struct {
	w      io.Writer
	size   func() (columns, rows int)
	colour bool
	drawn  []int // the widths of the lines that are there
}

// What a terminal is taken for that does not say its size.
const (
	usualColumns = 80
	usualRows    = 24
)

func newScreen(f *os.File) *screen {
	return &screen{
		w: f, colour: os.Getenv("NO_COLOR") == "",
		size: func() (int, int) {
			columns, rows, err := term.GetSize(int(f.Fd()))
			if err != nil || columns <= 0 || rows <= 0 {
				return usualColumns, usualRows
			}
			return columns, rows
		},
	}
}

// line is what is shown of a layer: the text is as wide as it is on the
// screen, and the stage in it may be coloured.
type line struct{ before, stage, after string }

func (l line) width() int { return utf8.RuneCountInString(l.before + l.stage + l.after) }

// cut shortens the line to width columns.
func (l line) cut(width int) line {
	for _, part := range []*string{&l.before, &l.stage, &l.after} {
		if n := utf8.RuneCountInString(*part); n > width {
			*part = string([]rune(*part)[:width])
		}
		width -= utf8.RuneCountInString(*part)
	}
	return l
}

// show draws lines over those that are there. All is written at once, so that
// nothing flickers.
func (s *screen) show(lines []line) {
	columns, _ := s.size()
	var out strings.Builder
	s.home(&out)
	s.drawn = s.drawn[:0]
	for _, l := range lines {
		// The last column stays free: some terminals go on to the next line
		// when it is written to.
		l = l.cut(max(columns-1, 1))
		s.drawn = append(s.drawn, l.width())
		stage := l.stage
		if s.colour && stage != "" {
			stage = colourOf(strings.TrimSpace(stage)) + stage + "\x1b[0m"
		}
		out.WriteString(l.before + stage + l.after + "\x1b[K\n")
	}
	out.WriteString("\x1b[J")
	_, _ = io.WriteString(s.w, out.String()) // a terminal that is gone is not told
}

// home moves to the first of the lines that are there. A terminal that has
// become narrower shows a line in several rows; what it has scrolled away is
// out of reach.
func (s *screen) home(out *strings.Builder) {
	columns, most := s.size()
	rows := 0
	for _, width := range s.drawn {
		rows += max(1, (width+columns-1)/columns)
	}
	if rows = min(rows, most-1); rows > 0 {
		fmt.Fprintf(out, "\x1b[%dA", rows)
	}
	out.WriteString("\r")
}

// clear removes the lines and says whether there were any.
func (s *screen) clear() bool {
	if len(s.drawn) == 0 {
		return false
	}
	var out strings.Builder
	s.home(&out)
	out.WriteString("\x1b[J")
	s.drawn = nil
	_, _ = io.WriteString(s.w, out.String())
	return true
}

func colourOf(stage string) string {
	switch {
	case done(pull.Stage(stage)):
		return "\x1b[32m"
	case strings.HasPrefix(stage, "fetch") && stage != string(pull.Fetched), strings.HasPrefix(stage, "unpack"): // or what is left of it
		return "\x1b[36m"
	}
	return "\x1b[2m"
}

// draw shows the bars once the patience has ended.
func (p *progress) draw() {
	if p.screen == nil || p.now().Before(p.next) {
		return
	}
	columns, rows := p.screen.size()
	var lines []line
	if p.note != "" {
		lines = append(lines, line{before: p.note})
	}
	shown, hidden := p.fit(rows - 2 - len(lines)) // the cursor stands below, and one line is the sum
	for _, l := range shown {
		lines = append(lines, p.line(l, columns))
	}
	if _, finished := p.overall(); len(p.layers) > 0 && hidden > 0 {
		lines = append(lines, line{before: fmt.Sprintf("%d of %s done, %s", finished, plural(len(p.layers), "layer"), p.amount())})
	}
	p.screen.show(lines)
}

// fit chooses the layers that n lines have room for: those that are finished
// are left out first, then those that wait longest.
func (p *progress) fit(n int) (shown []layer, hidden int) {
	n = max(n, 0)
	if len(p.layers) <= n {
		return p.layers, 0
	}
	for _, l := range p.layers {
		if !done(l.Stage) {
			shown = append(shown, l)
		}
	}
	busy := func(l layer) bool { return l.Stage == pull.Fetching || l.Stage == pull.Unpacking }
	if len(shown) > n {
		slices.SortStableFunc(shown, func(a, b layer) int {
			switch {
			case busy(a) == busy(b):
				return 0
			case busy(a):
				return -1
			}
			return 1
		})
		shown = shown[:n]
	}
	return shown, len(p.layers) - len(shown)
}

// The columns of a line.
const (
	stageColumns = 9 // the longest stage
	leastBar     = 8
	mostBar      = 40
)

// line is the line of one layer: digest, stage, bar, bytes, rate. Where there
// is no room for all, the bar is left out first, then the rate; at last the
// stage and the digest are shortened: how far it is stays.
func (p *progress) line(l layer, columns int) line {
	digest := shortDigest(l.Blob)
	out := line{before: fmt.Sprintf("%-12s  ", digest), stage: fmt.Sprintf("%-*s", stageColumns, l.Stage)}
	if l.Stage != pull.Fetching && l.Stage != pull.Unpacking {
		return out
	}
	amount := size(l.Bytes)
	if l.Total >= 0 {
		amount += " / " + size(l.Total)
	}
	rate := ""
	if took := p.now().Sub(l.since); took >= terminalPace {
		rate = size(int64(float64(l.Bytes-l.from)/took.Seconds())) + "/s"
	}
	tail := fmt.Sprintf("  %21s  %12s", amount, rate)
	room := columns - 1 - out.width() - utf8.RuneCountInString(tail)
	switch {
	case room < 0:
		return l.narrow(digest, amount, columns-1)
	case room >= leastBar+4:
		out.after = "  " + bar(l.Bytes, l.Total, min(room-2, mostBar)-2)
	}
	out.after += tail
	return out
}

// narrow is the line of a layer on a terminal of few columns: as much as there
// is room for in width.
func (l layer) narrow(digest, amount string, width int) line {
	stage, brief := string(l.Stage), strings.TrimSuffix(string(l.Stage), "ing")
	digest += "  "
	short, far := digest[:min(len(digest), 6)]+" ", size(l.Bytes)
	whole := far
	if l.Total > 0 {
		far = fmt.Sprintf("%d%%", int64(float64(min(l.Bytes, l.Total))/float64(l.Total)*100))
		whole = far + " of " + size(l.Total)
	}
	var out line
	for _, try := range []line{
		{digest, stage, "  " + amount}, {digest, stage, "  " + whole}, {digest, brief, "  " + whole},
		{short, brief, " " + whole}, {short, brief, " " + far}, {"", brief, " " + far},
	} {
		if out = try; out.width() <= width {
			break
		}
	}
	return out
}

// bar is a bar of width characters and its ends. Without a total nothing is
// known but that something comes.
func bar(n, total int64, width int) string {
	if total < 0 {
		return "[" + strings.Repeat("-", width) + "]"
	}
	full := width
	if total > 0 {
		full = int(float64(width) * float64(min(n, total)) / float64(total))
	}
	head := ""
	if full > 0 && full < width {
		head = ">"
	}
	return "[" + strings.Repeat("=", full-len(head)) + head + strings.Repeat(" ", width-full) + "]"
}

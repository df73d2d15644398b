package result

import (
	"fmt"
	"html"
	"io"
	"maps"
	"slices"
)

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// The plot's sizes, in pixels.
const (
	rowHeight   = 22
	labelWidth  = 260
	barWidth    = 420
	plotWidth   = labelWidth + barWidth + 120
	titleHeight = 34
)

// SVG draws the medians of each scene as bars on a scale of its own, with a mark
// at the 95th percentile.
func (r *Run) SVG(w io.Writer) {
	rows := 0
	for _, s := range r.Scenes {
		rows += len(measured(s))
	}
	height := rows*rowHeight + len(r.Scenes)*titleHeight + 30
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">`+"\n", plotWidth, height)
	fmt.Fprintln(w, `<style>text{fill:#222}.own{fill:#2a6fb0}.other{fill:#a9b4bf}.p95{stroke:#555;stroke-width:2}@media(prefers-color-scheme:dark){text{fill:#ddd}.p95{stroke:#ccc}}</style>`)
	y := 10
	for _, s := range r.Scenes {
		fmt.Fprintf(w, `<text x="0" y="%d" font-weight="bold">%s</text>`+"\n", y+20, html.EscapeString(s.Title))
		y += titleHeight
		longest := 0.0
		for _, c := range measured(s) {
			longest = max(longest, Quantile(c.Seconds, 0.95))
		}
		for _, c := range measured(s) {
			bar(w, c, y, longest)
			y += rowHeight
		}
	}
	fmt.Fprintf(w, `<text x="0" y="%d" font-size="11">%s, Linux %s, %d processors</text>`+"\n</svg>\n",
		y+16, r.Date.Format("2006-01-02"), html.EscapeString(r.Machine.Kernel), r.Machine.Processors)
}

func bar(w io.Writer, c *Contestant, y int, longest float64) {
	class := "other"
	if len(c.Name) >= len("safe-run") && c.Name[:len("safe-run")] == "safe-run" {
		class = "own"
	}
	width := Median(c.Seconds) / longest * barWidth
	mark := labelWidth + Quantile(c.Seconds, 0.95)/longest*barWidth
	fmt.Fprintf(w, `<text x="0" y="%d">%s</text><rect class="%s" x="%d" y="%d" width="%.1f" height="15"/>`,
		y+13, html.EscapeString(c.Name), class, labelWidth, y+1, width)
	fmt.Fprintf(w, `<line class="p95" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text x="%.1f" y="%d">%.1f ms</text>`+"\n",
		mark, mark, y+1, y+16, mark+6, y+13, 1000*Median(c.Seconds))
}

func measured(s *Scene) []*Contestant {
	return slices.DeleteFunc(slices.Clone(s.Contestants), func(c *Contestant) bool { return len(c.Seconds) == 0 })
}

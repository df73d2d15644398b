package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/battery"
	"github.com/safe-run/safe-run/spec/controls"
)

//go:embed page.html
var pageText string

// pageTemplate escapes by context; what is put into it is text, never
// template.HTML.
var pageTemplate = template.Must(template.New("page").Parse(pageText))

// The views are what the template shows.
type htmlPage struct {
	Title, Word, Class, Summary string
	Version                     string
	Notes, Warnings             []string
	Compare                     *comparison
	Matrices                    []matrix
	Findings                    []findingView
	Holds, Cannot               []findingView
	Standards                   []controls.About
	Controls                    []controlView
}

// comparison is probe by report.
type comparison struct {
	Names  []string
	Totals []totals
	Rows   []comparisonRow
}

type totals struct {
	Name                                               string
	Blocked, Allowed, Excepted, Absent, NotRun, Errors int
	Partial                                            string
}

type comparisonRow struct {
	ID, Title string
	Differs   bool
	Cells     []mark
}

// mark is a sign with its words: a sign alone says nothing to who hears the page.
type mark struct{ Class, Sign, Words string }

// matrix is probe by layer, of one report.
type matrix struct {
	Anchor, Name, Word, Class, Summary, About, Partial string
	Facts                                              [][2]string
	Families                                           []familyView
	Layers                                             []string
	Groups                                             []group
	Wrong                                              []rowView
}

type familyView struct {
	Letter, Name, Rest  string
	Blocked, All, Width int
}

type group struct {
	Name string
	Rows []rowView
	Span int
}

type rowView struct {
	ID, Title, Class, Verdict, Refusal, Why string
	Critical                                bool
	Cells                                   []mark
	Facts                                   [][2]string
}

type findingView struct {
	Rule, Title, Class, Severity, Where, What, Why, Mend, Subject, Requirements string
}

type controlView struct {
	Number      int
	Title, Does string
	Cells       []string
}

var marks = map[battery.Verdict]mark{
	battery.Blocked: {"blocked", "■", "blocked"}, battery.Allowed: {"allowed", "✗", "allowed"}, battery.Missing: {"absent", "·", "not in this kernel"},
	battery.NotRun: {"notrun", "–", "not run"}, battery.Error: {"error", "!", "no result"},
}

func markOf(r battery.Result) mark {
	m, known := marks[r.Verdict]
	switch {
	case !known:
		m = marks[battery.Error]
	case r.Verdict == battery.Allowed && r.Exception != "":
		m = mark{"excepted", "○", "allowed on purpose"}
	}
	return m
}

func (a Attacks) html() (htmlPage, error) {
	page := htmlPage{Title: "safe-run verify", Word: "PASSED", Class: "good"}
	for i, r := range a.Reports {
		page.Matrices = append(page.Matrices, a.matrix(i, r))
		if !passed(r) {
			page.Word, page.Class = "FAILED", "bad"
		}
	}
	switch len(a.Reports) {
	case 0:
		page.Word, page.Class, page.Summary = "NOTHING", "bad", "no report"
	case 1:
		page.Summary = page.Matrices[0].Summary
	default:
		page.Summary = plural(len(a.Reports), "report") + " of " + plural(len(a.ids()), "attack")
		page.Compare = a.comparison()
	}
	page.standards(func(number int) bool {
		return slices.ContainsFunc(a.ids(), func(id string) bool { return slices.Contains(a.probe(id).Controls, number) })
	})
	return page, nil
}

func (a Attacks) comparison() *comparison {
	out := &comparison{}
	for i, r := range a.Reports {
		t := count(r.Results)
		out.Names = append(out.Names, a.nameOf(i))
		out.Totals = append(out.Totals, totals{a.nameOf(i), t.blocked, t.allowed, t.excepted, t.absent, t.notRun, t.errors, line(r.Partial)})
	}
	for _, id := range a.ids() {
		row := comparisonRow{ID: line(id), Title: line(a.probe(id).Title)}
		for _, r := range a.Reports {
			one, there := resultOf(r, id)
			if !there {
				one.Verdict = battery.NotRun
			}
			row.Cells = append(row.Cells, markOf(one))
			row.Differs = row.Differs || row.Cells[0] != markOf(one)
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

func (a Attacks) matrix(i int, r battery.Report) matrix {
	m := matrix{Anchor: "report-" + itoa(i+1), Name: a.nameOf(i), Word: "PASSED", Class: "good", Summary: summary(count(r.Results)), About: line(about(r)), Partial: line(r.Partial)}
	if !passed(r) {
		m.Word, m.Class = "FAILED", "bad"
	}
	for _, key := range sortedKeys(r.Facts) {
		m.Facts = append(m.Facts, [2]string{line(key), line(r.Facts[key])})
	}
	there := layers([]battery.Report{r})
	for _, l := range there {
		m.Layers = append(m.Layers, string(l))
	}
	of := map[string][]battery.Result{}
	var order []string
	for _, one := range r.Results {
		f := familyOf(one.ID)
		if of[f] == nil {
			order = append(order, f)
		}
		of[f] = append(of[f], one)
	}
	for _, f := range order {
		t := count(of[f])
		rest := ""
		if _, after, more := strings.Cut(summary(t), ", "); more {
			rest = after
		}
		m.Families = append(m.Families, familyView{line(f), families[f], rest, t.blocked, t.all, t.blocked * 100 / t.all})
		g := group{Name: strings.TrimSpace(line(f) + " " + families[f]), Span: len(there) + 4}
		for _, one := range of[f] {
			row := a.rowView(one, there)
			g.Rows = append(g.Rows, row)
			if row.Why != "" {
				m.Wrong = append(m.Wrong, row)
			}
		}
		m.Groups = append(m.Groups, g)
	}
	return m
}

func (a Attacks) rowView(one battery.Result, there []battery.Layer) rowView {
	probe := a.probe(one.ID)
	m := markOf(one)
	row := rowView{ID: line(one.ID), Title: line(probe.Title), Class: m.Class, Verdict: m.Words, Refusal: refusal(one), Critical: probe.Critical, Why: line(one.Wrong)}
	if row.Why == "" && m.Class == "allowed" {
		row.Why = "the attack succeeds"
	}
	if row.Why == "" && m.Class == "error" {
		row.Why = "there is no result: " + line(one.Detail)
	}
	for _, l := range there {
		cell := mark{"none", "", ""}
		switch {
		case one.Observed == l && one.Inferred:
			cell = mark{"held", "◍", "stopped it, as it seems"}
		case one.Observed == l:
			cell = mark{"held", "●", "stopped it"}
		case slices.Contains(one.Independent, l):
			cell = mark{"alone", "◆", "stops it alone, too"}
		case slices.Contains(one.Concluded, l):
			cell = mark{"predicted", "○", "predicted, and its error was seen, which another layer gives as well"}
		case slices.Contains(one.Predicted, l):
			cell = mark{"predicted", "○", "predicted"}
		}
		row.Cells = append(row.Cells, cell)
	}
	for _, fact := range [][2]string{
		{"What is called", probe.Technique}, {"Harmless because", probe.Harmless}, {"Evidence", one.Detail}, {"Allowed because", one.Exception}, {"Reference", probe.Reference},
	} {
		if fact[1] != "" {
			row.Facts = append(row.Facts, [2]string{fact[0], line(fact[1])})
		}
	}
	return row
}

// standards shows the rows of the catalogue that wanted says.
func (p *htmlPage) standards(wanted func(number int) bool) {
	p.Standards = controls.Standards
	for _, c := range controls.All() {
		if !wanted(c.Number) {
			continue
		}
		row := controlView{Number: c.Number, Title: c.Title, Does: c.Does}
		for _, s := range controls.Standards {
			var ids []string
			for _, r := range c.To(s.Standard) {
				id := r.ID
				if r.Unverified {
					id += "?"
				}
				ids = append(ids, id)
			}
			row.Cells = append(row.Cells, strings.Join(ids, ", "))
		}
		p.Controls = append(p.Controls, row)
	}
}

func writeHTML(w io.Writer, d Document, version string) error {
	page, err := d.html()
	if err != nil {
		return err
	}
	page.Version = line(version)
	if err := pageTemplate.Execute(w, page); err != nil {
		return fmt.Errorf("the page: %w", err)
	}
	return nil
}

package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/safe-run/safe-run/spec/battery"
)

var verdictStyles = map[battery.Verdict]string{
	battery.Blocked: green, battery.Allowed: red, battery.Missing: dim, battery.NotRun: yellow, battery.Error: red,
}

// table puts what matters first: did it pass, how much was blocked where, what is
// not as it should be. The rest is for who asks.
func (a Attacks) table(p *page) {
	if len(a.Reports) == 0 {
		p.say("no report")
		return
	}
	if len(a.Reports) > 1 {
		a.sideBySide(p)
	}
	for i, r := range a.Reports {
		if len(a.Reports) > 1 {
			p.heading("── " + a.nameOf(i) + " ──")
		}
		a.one(p, r)
	}
}

func (a Attacks) one(p *page, r battery.Report) {
	word, style := "PASSED", green
	if !passed(r) {
		word, style = "FAILED", red
	}
	t := count(r.Results)
	p.say("%s  %s", p.paint(bold+";"+style, word), p.paint(bold, summary(t)))
	p.prose(2, dim, about(r))
	if p.look.Verbose {
		for _, key := range sortedKeys(r.Facts) {
			p.prose(2, dim, key+": "+r.Facts[key])
		}
	}
	if r.Partial != "" {
		p.prose(2, yellow, "only a part was carried out: "+r.Partial)
	}
	p.say("")
	p.rows(2, nil, familyRows(r))
	a.wrong(p, r)
	a.excepted(p, r)
	if alone := single(r.Results); len(alone) > 0 {
		p.heading(fmt.Sprintf("Held by one layer only (%d)", len(alone)))
		p.prose(2, "", joined(alone, " "))
	}
	depthRows(p, r)
	a.layerRows(p, r)
	if p.look.Verbose {
		a.evidence(p, r)
	} else {
		p.say("\n%s", p.paint(dim, "--verbose shows every attack with its evidence"))
	}
}

// summary is the tally in words; what there is none of is left out.
func summary(t tally) string {
	parts := []string{fmt.Sprintf("%d of %s blocked", t.blocked, plural(t.all, "attack"))}
	for _, one := range []struct {
		n    int
		what string
	}{
		{t.allowed, "allowed"}, {t.excepted, "allowed on purpose"}, {t.absent, "not in this kernel"}, {t.notRun, "not run"},
		{t.errors, "without a result"}, {t.wrong, "not as it should be"},
	} {
		if one.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", one.n, one.what))
		}
	}
	return strings.Join(parts, ", ")
}

// about is what ran, where.
func about(r battery.Report) string {
	var parts []string
	add := func(what, value string) {
		if value != "" {
			parts = append(parts, strings.TrimSpace(what+" "+value))
		}
	}
	add("", strings.TrimSpace(r.Runtime+" "+r.Version))
	add("profile", r.Profile)
	add("image", r.Image)
	add("Linux", r.Kernel)
	add("in a", strings.TrimPrefix(r.Where, "host"))
	add("", line(r.Facts[battery.Configuration]))
	if r.Took > 0 {
		add("in", r.Took.Round(10*time.Millisecond).String())
	}
	return strings.Join(parts, " · ")
}

func familyRows(r battery.Report) [][]cell {
	var order []string
	of := map[string][]battery.Result{}
	for _, one := range r.Results {
		f := familyOf(one.ID)
		if of[f] == nil {
			order = append(order, f)
		}
		of[f] = append(of[f], one)
	}
	var rows [][]cell
	for _, f := range order {
		t := count(of[f])
		style := green
		if t.allowed > 0 || t.errors > 0 || t.wrong > 0 {
			style = red
		} else if t.notRun > 0 {
			style = yellow
		}
		rest := ""
		if left := strings.SplitN(summary(t), ", ", 2); len(left) == 2 {
			rest = left[1]
		}
		rows = append(rows, []cell{
			{f, bold}, {families[f], ""}, {bar(t.blocked, t.all, 20), style}, {fmt.Sprintf("%d/%d", t.blocked, t.all), ""}, {rest, ""},
		})
	}
	return rows
}

// wrong lists what must be looked at.
func (a Attacks) wrong(p *page, r battery.Report) {
	var rows [][]cell
	for _, one := range r.Results {
		why := one.Wrong
		switch {
		case why != "":
		case one.Verdict == battery.Allowed && one.Exception == "":
			why = "it succeeds"
		case one.Verdict != battery.Blocked && one.Verdict != battery.Allowed && one.Verdict != battery.Missing && one.Verdict != battery.NotRun:
			why = "there is no result: " + one.Detail
		default:
			continue
		}
		rows = append(rows, []cell{{one.ID, bold}, {string(one.Verdict), verdictStyles[one.Verdict]}, {a.probe(one.ID).Title + ": " + why, ""}})
	}
	if len(rows) > 0 {
		p.heading(fmt.Sprintf("Not as it should be (%d)", len(rows)))
		p.rows(2, nil, rows)
	}
}

func (a Attacks) excepted(p *page, r battery.Report) {
	var rows [][]cell
	for _, one := range r.Results {
		if one.Verdict == battery.Allowed && one.Exception != "" && one.Wrong == "" {
			rows = append(rows, []cell{{one.ID, bold}, {a.probe(one.ID).Title, ""}, {one.Exception, dim}})
		}
	}
	if len(rows) > 0 {
		p.heading(fmt.Sprintf("Allowed on purpose (%d)", len(rows)))
		p.rows(2, nil, rows)
	}
}

// depthRows are how many attacks several layers hold, by the plan and by this host.
func depthRows(p *page, r battery.Report) {
	d := depthOf(r.Results)
	if d.Blocked == 0 {
		return
	}
	how := "predicted"
	if d.Seen {
		how = "observed"
	}
	p.heading("Held by two layers or more (" + how + ")")
	p.rows(2, nil, [][]cell{
		{{itoa(d.TwoOfPlan), bold}, {"of " + itoa(d.Blocked), ""}, {"by the plan's own layers alone", ""}},
		{{itoa(d.Two), bold}, {"of " + itoa(d.Blocked), ""}, {"with what this host has set, or its kernel lacks", ""}},
	})
	if len(d.OnePlusHost) > 0 {
		p.prose(2, dim, "one of the plan's and one of this host's: "+joined(d.OnePlusHost, " "))
	}
	if len(d.Concluded) > 0 {
		p.prose(2, dim, "concluded from an error that another layer gives as well, and not counted: "+joined(d.Concluded, ", "))
	}
}

// layerRows are how many attacks each layer stopped, and how many it alone.
func (a Attacks) layerRows(p *page, r battery.Report) {
	var rows [][]cell
	for _, l := range layers([]battery.Report{r}) {
		first, among, alone := 0, 0, 0
		for _, one := range r.Results {
			if one.Verdict != battery.Blocked {
				continue
			}
			if one.Observed == l {
				first++
			}
			if all := layersOf(one); slices.Contains(all, l) {
				among++
				if len(all) == 1 {
					alone++
				}
			}
		}
		if first+among > 0 {
			rows = append(rows, []cell{{string(l), ""}, {itoa(first), ""}, {itoa(among), ""}, {itoa(alone), ""}})
		}
	}
	if len(rows) > 0 {
		p.heading("Layers")
		p.rows(2, []string{"LAYER", "STOPPED FIRST", "WOULD STOP", "IS THE ONLY ONE FOR"}, rows)
	}
}

// evidence is every attack.
func (a Attacks) evidence(p *page, r battery.Report) {
	p.heading("Every attack")
	for _, one := range r.Results {
		probe := a.probe(one.ID)
		head := p.paint(bold, line(one.ID)) + "  " + p.paint(verdictStyles[one.Verdict], line(string(one.Verdict)))
		for _, more := range []string{refusal(one), held(one)} {
			if more != "" {
				head += "  " + more
			}
		}
		p.say("  %s", head)
		p.prose(6, "", probe.Title)
		for _, more := range [][2]string{
			{"what is called: ", probe.Technique}, {"harmless because: ", probe.Harmless}, {"layers: ", joined(layersOf(one), ", ")},
			{"evidence: ", one.Detail}, {"reference: ", probe.Reference}, {"allowed because: ", one.Exception}, {"wrong: ", one.Wrong},
		} {
			if more[1] != "" {
				p.prose(6, dim, more[0]+more[1])
			}
		}
	}
}

// letters are the verdicts in a narrow column.
var letters = map[battery.Verdict]string{
	battery.Blocked: "■", battery.Allowed: "✗", battery.Missing: "·", battery.NotRun: "–", battery.Error: "!",
}

// sideBySide is one line a probe on which the reports differ, or every probe for
// who asks, and the totals.
func (a Attacks) sideBySide(p *page) {
	head := []string{"", "BLOCKED", "ALLOWED", "ON PURPOSE", "ABSENT", "NOT RUN", "ERROR", ""}
	var totals [][]cell
	for i, r := range a.Reports {
		t := count(r.Results)
		totals = append(totals, []cell{
			{fmt.Sprintf("%d  %s", i+1, a.nameOf(i)), bold}, {itoa(t.blocked), green}, {itoa(t.allowed), red}, {itoa(t.excepted), ""},
			{itoa(t.absent), dim}, {itoa(t.notRun), ""}, {itoa(t.errors), ""}, {partly(r), yellow},
		})
	}
	p.say("%s", p.paint(bold, "Side by side"))
	p.rows(2, head, totals)
	var rows [][]cell
	for _, id := range a.ids() {
		row := []cell{{id, bold}}
		differ := false
		var first battery.Verdict
		for i, r := range a.Reports {
			one, there := resultOf(r, id)
			if !there {
				one.Verdict = battery.NotRun
			}
			if i == 0 {
				first = one.Verdict
			}
			differ = differ || one.Verdict != first
			letter := letters[one.Verdict]
			if letter == "" {
				letter = letters[battery.Error]
			}
			row = append(row, cell{letter, verdictStyles[one.Verdict]})
		}
		if differ || p.look.Verbose {
			rows = append(rows, append(row, cell{a.probe(id).Title, ""}))
		}
	}
	if len(rows) == 0 {
		p.say("\nall of them give the same for every attack")
		return
	}
	columns := []string{"ATTACK"}
	for i := range a.Reports {
		columns = append(columns, itoa(i+1))
	}
	title := "Where they differ"
	if p.look.Verbose {
		title = "Every attack"
	}
	p.heading(title)
	p.rows(2, append(columns, ""), rows)
	p.say("  %s", p.paint(dim, "■ blocked  ✗ allowed  · not in this kernel  – not run  ! no result"))
}

func partly(r battery.Report) string {
	if r.Partial == "" {
		return ""
	}
	return "only a part: " + r.Partial
}

package report

import (
	"fmt"
	"strings"

	"github.com/safe-run/safe-run/spec/audit"
)

func (f Findings) html() (htmlPage, error) {
	n := f.counts()
	holds, violated, cannot := f.words()
	page := htmlPage{
		Title: line("safe-run " + f.Kind + ": " + f.Subject), Word: "NOTHING VIOLATED", Class: "good",
		Summary: fmt.Sprintf("%d %s, %d %s, %d %s", n[audit.Violated], violated, n[audit.Holds], holds, n[audit.CannotTell], cannot),
	}
	if worst := audit.Worst(f.Findings); n[audit.Violated] > 0 {
		page.Word, page.Class = strings.ToUpper(worst.String()), "bad"
	}
	for _, note := range f.Notes {
		page.Notes = append(page.Notes, line(strings.TrimPrefix(note.Subject+": ", ": ")+note.Name+": "+note.Value))
	}
	for _, w := range f.Warnings {
		page.Warnings = append(page.Warnings, line(w))
	}
	for _, one := range f.sorted() {
		view := findingView{
			Rule: line(one.Rule), Title: line(one.Title), Class: "severity-" + one.Severity.String(), Severity: one.Severity.String(), Where: line(one.Where.String()),
			What: line(one.What), Why: line(one.Why), Mend: line(one.Mend), Subject: line(one.Subject), Requirements: strings.TrimSpace(requirements(one)),
		}
		switch one.Verdict {
		case audit.Violated:
			page.Findings = append(page.Findings, view)
		case audit.Holds:
			page.Holds = append(page.Holds, view)
		default:
			page.Cannot = append(page.Cannot, view)
		}
	}
	page.standards(func(int) bool { return f.Kind != "doctor" })
	return page, nil
}

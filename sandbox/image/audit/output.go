package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/safe-run/safe-run/spec/sarif"
)

// Table writes the findings for people: one line each, then what the line does
// not have room for. No findings are no output.
func Table(w io.Writer, findings []Finding) error {
	if len(findings) == 0 {
		return nil
	}
	var out strings.Builder
	rows := [][]string{{"SEVERITY", "ID", "CIS", "FINDING", "WHERE"}}
	for _, f := range findings {
		rows = append(rows, []string{f.Severity.String(), f.ID, f.CIS, f.Title, f.Where.String()})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for i, row := range rows {
		for j, cell := range row {
			if j == len(row)-1 {
				out.WriteString(cell + "\n")
				break
			}
			fmt.Fprintf(&out, "%-*s  ", widths[j], cell)
		}
		if i > 0 {
			out.WriteString("    " + findings[i-1].Detail + "\n")
			// Findings of a rule are mended alike: it is said after the last of them.
			if i == len(findings) || findings[i].ID != findings[i-1].ID {
				out.WriteString("    mend: " + findings[i-1].Mend + "\n")
			}
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// JSON writes the findings for programs.
func JSON(w io.Writer, reference string, findings []Finding) error {
	if findings == nil {
		findings = []Finding{}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Reference string    `json:"reference"`
		Worst     Severity  `json:"worst"`
		Findings  []Finding `json:"findings"`
	}{shown(reference), Worst(findings), findings})
}

// levels are SARIF's, which has three, and the scores are those that code
// hosts show as the same words.
var levels = map[Severity]struct {
	level sarif.Level
	score float64
}{
	Info: {sarif.Note, 0}, Low: {sarif.Note, 3}, Medium: {sarif.Warning, 5.5}, High: {sarif.Error, 8}, Critical: {sarif.Error, 9.5},
}

// fingerprint stays when layers are added below, and differs between two
// findings in one place.
func (f Finding) fingerprint() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{f.ID, f.Where.Path, f.Where.Field, f.Detail}, "\x00")))
	return hex.EncodeToString(sum[:])
}

// SARIF writes the findings as SARIF 2.1.0. Every rule is in it, so that one
// that found nothing is seen to have been looked for.
func SARIF(w io.Writer, reference, version string, findings []Finding) error {
	run := sarif.New("safe-run image audit", version)
	run.Properties = map[string]string{"image": shown(reference), "benchmark": "CIS Docker Benchmark 1.6, section 4"}
	for _, rule := range Rules {
		tags := []string{"security", "container"}
		if rule.CIS != "" {
			tags = append(tags, "CIS-"+rule.CIS)
		}
		level := levels[rule.Severity]
		run.Rule(sarif.Rule{ID: rule.ID, Summary: rule.Title, Help: rule.Mend, Level: level.level, Score: level.score, Tags: tags})
	}
	for _, f := range findings {
		properties := map[string]string{"severity": f.Severity.String()}
		logical := f.Where.Field
		if f.Where.Layer > 0 {
			properties["layer"] = fmt.Sprint(f.Where.Layer)
			properties["history"] = f.Where.History
			if logical == "" {
				logical = fmt.Sprintf("layer %d", f.Where.Layer)
			}
		}
		run.Result(sarif.Result{
			Rule: f.ID, Level: levels[f.Severity].level, Message: f.Title + ": " + f.Detail,
			URI: f.Where.Path, Logical: logical, Properties: properties, Fingerprint: f.fingerprint(),
		})
	}
	return run.Encode(w)
}

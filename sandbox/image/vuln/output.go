package vuln

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/safe-run/safe-run/spec/sarif"
)

// Table writes the findings for a person, the worst first.
func Table(w io.Writer, v Verdict) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "ID\tSEVERITY\tPACKAGE\tVERSION\tFIXED\tSTATUS")
	for _, f := range v.All {
		status := string(f.Status)
		if f.VEX != "" {
			status += " (" + f.VEX + ")"
		}
		row := []string{f.ID, f.Severity.String(), f.Package.Name, f.Package.Version, strings.Join(f.FixedIn, ", "), status}
		for i, cell := range row {
			row[i] = name(cell) // also of findings that no reader made
			if row[i] == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// JSON writes the verdict for a program.
func JSON(w io.Writer, v Verdict) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	return e.Encode(v)
}

// SARIF is the verdict as a run of version of safe-run-image.
func SARIF(v Verdict, version string, subject Subject) *sarif.Run {
	run := sarif.New("safe-run-image", version)
	run.Properties = map[string]string{"imageName": v.Image, "imageID": subject.ConfigDigest}
	if len(subject.Digests) > 0 {
		run.Properties["imageDigest"] = subject.Digests[0]
	}
	for _, f := range v.All {
		level := levelOf(f)
		run.Rule(sarif.Rule{
			ID: f.ID, Summary: f.Title, URL: f.URL, Level: level, Score: scoreOf(f),
			Tags: []string{"security", "vulnerability", f.Severity.String()},
		})
		result := sarif.Result{
			Rule: f.ID, Level: level, URI: v.Image, Logical: f.Package.Name + "@" + f.Package.Version,
			Message:    fmt.Sprintf("%s has %s (%s)", f.Package, f.ID, f.Severity),
			Properties: map[string]string{"package": f.Package.Name, "version": f.Package.Version, "severity": f.Severity.String(), "status": string(f.Status), "source": f.Source},
		}
		if f.Package.PURL != "" {
			result.Properties["purl"] = f.Package.PURL
		}
		if len(f.FixedIn) > 0 {
			result.Properties["fixedIn"] = strings.Join(f.FixedIn, ", ")
			result.Message += "; fixed in " + result.Properties["fixedIn"]
		}
		if f.suppressed() {
			result.Suppressed = string(f.Status) + " (" + f.VEX + ")"
		}
		run.Result(result)
	}
	return run
}

func levelOf(f Finding) sarif.Level {
	switch f.rank() {
	case Critical, High:
		return sarif.Error
	case Medium:
		return sarif.Warning
	}
	return sarif.Note
}

// scoreOf is the finding's score, or one in the middle of its severity, so
// that a code host sorts it by what the scanner said.
func scoreOf(f Finding) float64 {
	if f.Score > 0 {
		return f.Score
	}
	return []float64{0, 1, 2, 5.5, 8, 9.5}[f.rank()]
}

package vuln

import (
	"bytes"
	"strings"
	"time"

	openvex "github.com/openvex/go-vex/pkg/vex"

	"github.com/safe-run/safe-run/sandbox/image/exact"
	"github.com/safe-run/safe-run/spec/problem"
)

// The bounds of a VEX document: its bytes and its commas. Each of its elements
// takes hundreds of bytes, however few it has in JSON.
const (
	maxVEX    = 16 << 20
	maxCommas = 1 << 19
)

const vexHint = "write it with vexctl create; OpenVEX 0.2.0 is read"

// VEX is an OpenVEX document: what somebody knows of vulnerabilities that a
// scanner cannot know.
type VEX struct {
	name       string
	statements []statement
}

// statement is one statement with the time from which on it holds.
type statement struct {
	openvex.Statement
	since time.Time
}

// LoadVEX reads the OpenVEX document in a file.
func LoadVEX(path string) (VEX, error) {
	b, err := readFile(path)
	if err != nil {
		return VEX{}, problem.New("check image.vulnerabilities.vex of the profile", "VEX document %s: %w", name(path), err)
	}
	return ParseVEX(path, b)
}

// ParseVEX reads an OpenVEX document, which is called called in what is shown.
// A document of which one statement is malformed is refused as a whole.
func ParseVEX(called string, b []byte) (VEX, error) {
	out := VEX{name: name(called)}
	if len(b) > maxVEX || bytes.Count(b, []byte(",")) > maxCommas {
		return VEX{}, problem.New("split it", "VEX document %s: larger than %d MiB, or more than %d commas", out.name, maxVEX>>20, maxCommas)
	}
	doc, err := openvex.Parse(b)
	if err == nil {
		err = exact.Check(b, doc)
	}
	if err != nil {
		return VEX{}, problem.New(vexHint, "VEX document %s: not OpenVEX: %s", out.name, text(err.Error(), longestText))
	}
	if !strings.HasPrefix(doc.Context, openvex.Context+"/v0.2.") {
		return VEX{}, problem.New(vexHint, "VEX document %s: @context %q is not OpenVEX 0.2.0", out.name, name(doc.Context))
	}
	if len(doc.Statements) == 0 {
		return VEX{}, problem.New(vexHint, "VEX document %s: no statements", out.name)
	}
	for i, s := range doc.Statements {
		if why := malformed(s, doc.Timestamp); why != "" {
			return VEX{}, problem.New(vexHint, "VEX document %s: statement %d: %s", out.name, i+1, why)
		}
		out.statements = append(out.statements, statement{Statement: s, since: since(s, doc.Timestamp)})
	}
	return out, nil
}

// malformed says what is wrong with a statement; empty: nothing.
func malformed(s openvex.Statement, document *time.Time) string {
	if err := s.Validate(); err != nil {
		return text(err.Error(), longestText)
	}
	switch {
	case s.Vulnerability.Name == "" && s.Vulnerability.ID == "":
		return "no vulnerability"
	case len(s.Products) == 0:
		return "no products"
	case since(s, document).IsZero():
		return "no timestamp, nor has the document one"
	}
	return ""
}

// since is when a statement was last said.
func since(s openvex.Statement, document *time.Time) time.Time {
	var out time.Time
	for _, t := range []*time.Time{s.Timestamp, s.LastUpdated} {
		if t != nil && t.After(out) {
			out = *t
		}
	}
	if out.IsZero() && document != nil {
		out = *document
	}
	return out
}

// suppresses says whether the statement takes a finding back.
func (s statement) suppresses() bool {
	return s.Status == openvex.StatusNotAffected || s.Status == openvex.StatusFixed
}

// reason is what a person reads beside a finding.
func (v VEX) reason(s statement) string {
	why := string(s.Justification)
	if why == "" {
		why = title(s.ImpactStatement)
	}
	if why == "" {
		return v.name
	}
	return v.name + ": " + why
}

// apply gives f the status of the latest statement that is about it. Of two
// of the same time the one that suppresses nothing wins.
func apply(f Finding, documents []VEX, subject Subject) Finding {
	var best *statement
	var by VEX
	for _, doc := range documents {
		for i := range doc.statements {
			s := &doc.statements[i]
			if !s.covers(f, subject) {
				continue
			}
			if best == nil || s.since.After(best.since) || s.since.Equal(best.since) && best.suppresses() && !s.suppresses() {
				best, by = s, doc
			}
		}
	}
	if best != nil {
		f.Status, f.VEX = Status(best.Status), by.reason(*best)
	}
	return f
}

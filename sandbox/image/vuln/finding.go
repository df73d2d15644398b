// Package vuln is the vulnerability gate: it reads what scanners say of an
// image, applies OpenVEX statements to it, and decides whether the image may
// run. It embeds no scanner: a report comes from an attestation, a file, or an
// installed trivy or grype.
//
// Everything read here is hostile. Reads are bounded, text is made printable
// on the way in, and whatever cannot be understood is refused.
package vuln

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Severity is how bad a finding is.
type Severity int

// The severities, from the one that says least.
const (
	Unknown Severity = iota
	Negligible
	Low
	Medium
	High
	Critical
)

var severities = []string{"unknown", "negligible", "low", "medium", "high", "critical"}

// String is the severity in lower case.
func (s Severity) String() string {
	if s < Unknown || s > Critical {
		return severities[Unknown]
	}
	return severities[s]
}

// MarshalText writes the severity as its word.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Severity) UnmarshalText(b []byte) error {
	i := slices.Index(severities, string(b))
	if i < 0 {
		return fmt.Errorf("severity %q", b)
	}
	*s = Severity(i)
	return nil
}

// strange is the severity of a word that no scanner should write. A finding
// that has it is refused: the word may mean critical.
const strange Severity = -1

// parseSeverity reads a scanner's word.
func parseSeverity(s string) Severity {
	switch s = strings.ToLower(strings.TrimSpace(s)); s {
	case "", "none":
		return Unknown
	case "moderate":
		return Medium
	case "important":
		return High
	}
	return Severity(slices.Index(severities, s)) // -1 is strange
}

// bySeverityOf is the severity that CVSS gives to a score.
func bySeverityOf(score float64) Severity {
	switch {
	case score >= 9:
		return Critical
	case score >= 7:
		return High
	case score >= 4:
		return Medium
	case score > 0:
		return Low
	}
	return Unknown
}

// Status says whether a finding is true of the image.
type Status string

// The states of OpenVEX. Scanners report what is affected.
const (
	Affected           Status = "affected"
	Fixed              Status = "fixed"
	NotAffected        Status = "not_affected"
	UnderInvestigation Status = "under_investigation"
)

// Package is what has the vulnerability.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	PURL    string `json:"purl,omitempty"`
	Type    string `json:"type,omitempty"` // in the scanner's words: "deb", "debian", "gobinary"
}

// String is name and version.
func (p Package) String() string { return strings.TrimSpace(p.Name + " " + p.Version) }

// Finding is one vulnerability in one package.
type Finding struct {
	ID       string   `json:"id"`
	Aliases  []string `json:"aliases,omitempty"`
	Severity Severity `json:"severity"`
	Score    float64  `json:"score,omitempty"` // CVSS, 0 to 10; 0 is none
	Package  Package  `json:"package"`
	FixedIn  []string `json:"fixedIn,omitempty"`
	Status   Status   `json:"status"`
	// VEX says by which statement Status is not the scanner's: the document
	// and its reason.
	VEX    string `json:"vex,omitempty"`
	Source string `json:"source"` // the scanner
	URL    string `json:"url,omitempty"`
	Title  string `json:"title,omitempty"`
}

// rank is the severity that the gate compares. A finding whose severity
// nobody knows counts as high, or as what its score says when that is worse.
func (f Finding) rank() Severity {
	if f.Severity == Unknown {
		return max(High, bySeverityOf(f.Score))
	}
	return f.Severity
}

// suppressed says whether a VEX statement took the finding back.
func (f Finding) suppressed() bool {
	return f.VEX != "" && (f.Status == NotAffected || f.Status == Fixed)
}

// Report is what one scanner said of one image.
type Report struct {
	Tool    string
	Version string
	// Created is when the scan ended; zero when the report does not say.
	Created time.Time
	// DB is when the scanner's database was made; zero when not known.
	DB time.Time
	// ImageID is the config's digest, or what the scanner takes for the
	// image's identity.
	ImageID string
	// Digests are of the manifest or of the index.
	Digests []string
	// Subject is the digest that an attestation is about; empty for a report
	// that stands for itself.
	Subject string
	// Signer tells apart who signed reports; empty for one that is not signed.
	Signer   string
	Findings []Finding
}

// worstFirst orders findings as they are shown.
func worstFirst(a, b Finding) int {
	return cmp.Or(cmp.Compare(b.rank(), a.rank()), cmp.Compare(a.ID, b.ID),
		cmp.Compare(a.Package.Name, b.Package.Name), cmp.Compare(a.Package.Version, b.Package.Version),
		cmp.Compare(a.Package.PURL, b.Package.PURL))
}

package spec

import "time"

// Trust is what an image must satisfy before it runs. Everything that is set
// must hold; the zero value asks for nothing.
type Trust struct {
	// Registries are the registries, and the paths below them, that an image
	// may come from: "ghcr.io", "ghcr.io/acme". A path covers what is below it
	// at a slash. nil is any place; empty is none.
	Registries []string `json:"registries"`
	// RequireDigest wants a reference that names its digest.
	RequireDigest bool `json:"requireDigest,omitempty"`
	// Signatures are all needed.
	Signatures []SignedBy `json:"signatures,omitempty"`
	// Vulnerabilities is the gate on what is known of the image; nil is none.
	Vulnerabilities *Vulnerabilities `json:"vulnerabilities,omitempty"`
}

// SignedBy asks for one signature: by any of the keys, or by any of the
// identities.
type SignedBy struct {
	Name string `json:"name"`
	// Keys are the absolute paths of public keys in PEM.
	Keys []string `json:"keys,omitempty"`
	// Keyless are the identities that a certificate may be made out to.
	Keyless []Identity `json:"keyless,omitempty"`
	// TrustRoot is the absolute path of sigstore's trusted_root.json, which
	// Keyless needs: nothing is fetched.
	TrustRoot string `json:"trustRoot,omitempty"`
}

// Identity is whom a certificate was made out to by an OpenID Connect issuer.
type Identity struct {
	Issuer string `json:"issuer"`
	// Subject is the whole name; SubjectRegExp matches all of it instead (RE2).
	Subject       string `json:"subject,omitempty"`
	SubjectRegExp string `json:"subjectRegExp,omitempty"`
}

// VulnerabilitySource says where findings may come from.
type VulnerabilitySource string

// The sources of findings, in the order in which they are tried.
const (
	FromAttestation VulnerabilitySource = "attestation" // signed as Signatures asks, kept beside the image
	FromReport      VulnerabilitySource = "report"      // the file Report
	FromScanner     VulnerabilitySource = "scanner"     // trivy or grype, when one is installed
)

// Vulnerabilities is the gate: no report that is bound to the image's digest
// and young enough is as bad as a finding.
type Vulnerabilities struct {
	// Block is the lowest severity that keeps an image from running:
	// "negligible", "low", "medium", "high" or "critical". A finding of
	// unknown severity counts as high.
	Block string `json:"block"`
	// FixableOnly leaves out what has no fixed version yet.
	FixableOnly bool `json:"fixableOnly,omitempty"`
	// MaxAge bounds the age of a report.
	MaxAge time.Duration `json:"maxAge"`
	// Sources are tried in the order of the constants. nil is every one; empty
	// is none, so that no image passes.
	Sources []VulnerabilitySource `json:"sources,omitzero"`
	// Report is the absolute path of a Trivy, Grype or SARIF report.
	Report string `json:"report,omitempty"`
	// VEX are the absolute paths of OpenVEX documents.
	VEX []string `json:"vex,omitempty"`
}

// Zero reports whether t asks for nothing.
func (t Trust) Zero() bool {
	return t.Registries == nil && !t.RequireDigest && len(t.Signatures) == 0 && t.Vulnerabilities == nil
}

// Files are the files that t names: when one changes, what was verified with
// it is verified again.
func (t Trust) Files() []string {
	var out []string
	for _, s := range t.Signatures {
		out = append(out, s.Keys...)
		if s.TrustRoot != "" {
			out = append(out, s.TrustRoot)
		}
	}
	if v := t.Vulnerabilities; v != nil {
		if v.Report != "" {
			out = append(out, v.Report)
		}
		out = append(out, v.VEX...)
	}
	return out
}

package profiles

import (
	"slices"
	"strconv"
	"strings"
)

// Image is what an image must satisfy before it runs. Nothing said asks for
// nothing: the built-in profiles leave it open, because what is built and run
// on one machine comes from no registry and is signed by nobody.
type Image struct {
	// Registries are where images may come from: ghcr.io, or ghcr.io/acme for
	// what lies below that path. Without the key any place will do; an empty
	// list allows none. What is laid over it adds to it.
	Registries []Registry `yaml:"registries,omitempty" json:"registries,omitzero" meet:"within"`
	// RequireDigest wants images named by their digest, NAME@sha256:..., which
	// nobody can move to other content.
	RequireDigest *bool `yaml:"requireDigest,omitempty" json:"requireDigest,omitempty" meet:"or"`
	// Signatures are all needed. An entry of another profile or of the floor is
	// needed beside these, also where it has the same name. An empty list asks
	// for none, and clears what it is laid over; a floor's stay.
	Signatures []Signature `yaml:"signatures,omitempty" json:"signatures,omitzero" meet:"union"`
	// Vulnerabilities keeps images with known weaknesses from running. An empty
	// one says nothing.
	Vulnerabilities Vulnerabilities `yaml:"vulnerabilities,omitempty" json:"vulnerabilities,omitzero"`
}

// Registry is a registry, or a path below one: host[:port][/path].
type Registry string

// Signature asks for one signature: by any of the keys, or by any of the
// identities. It is told from others by all that it asks for, not by its name.
type Signature struct {
	// Name is what it is called in messages: lower-case letters, digits, ".", "-", "_".
	Name string `yaml:"name" json:"name"`
	// Keys are the absolute paths of public keys in PEM. One of them is enough.
	Keys []string `yaml:"keys,omitempty" json:"keys,omitzero"`
	// Keyless are the identities that a certificate of TrustRoot may be made
	// out to. One of them is enough.
	Keyless []Identity `yaml:"keyless,omitempty" json:"keyless,omitzero"`
	// TrustRoot is the absolute path of sigstore's trusted_root.json, which
	// Keyless needs: nothing is fetched.
	TrustRoot string `yaml:"trustRoot,omitempty" json:"trustRoot,omitempty"`
	// Why is the reason, for those who read the profile later.
	Why string `yaml:"why,omitempty" json:"why,omitempty" meet:"-"`
}

// Identity is whom a certificate was made out to.
type Identity struct {
	// Issuer is the OpenID Connect issuer that vouched: https://accounts.example.com.
	Issuer string `yaml:"issuer" json:"issuer"`
	// Subject is the whole name in the certificate. Either it or SubjectRegExp
	// is written.
	Subject string `yaml:"subject,omitempty" json:"subject,omitempty"`
	// SubjectRegExp is a regular expression (RE2) that matches all of the name.
	SubjectRegExp string `yaml:"subjectRegExp,omitempty" json:"subjectRegExp,omitempty"`
}

// Vulnerabilities is the gate on what is known of an image. An image that
// nothing is known of does not pass it.
//
// The gate is one whole: beside another one's, what it leaves open counts as
// said, at its default. So a floor with no more than block lets no profile
// bring VEX documents, fixableOnly or an older report.
type Vulnerabilities struct {
	// Block is the lowest severity that keeps an image from running:
	// negligible, low, medium, high or critical. The gate needs it. A finding
	// of unknown severity counts as high.
	Block *Severity `yaml:"block,omitempty" json:"block,omitempty" meet:"enum"`
	// FixableOnly lets pass what has no fixed version yet, and needs Why.
	FixableOnly *bool `yaml:"fixableOnly,omitempty" json:"fixableOnly,omitempty" meet:"and"`
	// MaxAge bounds the age of what is known: 24h (the default), 168h.
	MaxAge *Duration `yaml:"maxAge,omitempty" json:"maxAge,omitempty" meet:"min"`
	// Sources are where findings may come from: attestation (signed as one of
	// the signatures asks), report (the file), scanner (trivy or grype, when
	// one is installed). Without the key each that can be used is.
	Sources []FindingSource `yaml:"sources,omitempty" json:"sources,omitzero" meet:"within" values:"finding-source"`
	// Report is the absolute path of a report by Trivy or Grype, or in SARIF;
	// none is no file. Two profiles that name different files have none. A
	// floor that does not trust the reports of its users names one, or leaves
	// report out of Sources.
	Report *string `yaml:"report,omitempty" json:"report,omitempty" meet:"same"`
	// VEX are the absolute paths of OpenVEX documents, which set findings aside.
	VEX []string `yaml:"vex,omitempty" json:"vex,omitzero" meet:"intersect"`
	// Why is the reason, for those who read the profile later.
	Why string `yaml:"why,omitempty" json:"why,omitempty" meet:"-"`
}

// FindingSources are the sources that the gate can use, in the order in which
// they are tried: the ones it names, without the report where there is no file,
// and without attestations where no signature is asked for to trust them by.
func (i Image) FindingSources() []FindingSource {
	v, out := i.Vulnerabilities, []FindingSource{}
	usable := map[FindingSource]bool{
		FromAttestation: len(i.Signatures) > 0,
		FromReport:      v.Report != nil && *v.Report != NoReport,
		FromScanner:     true,
	}
	for _, s := range []FindingSource{FromAttestation, FromReport, FromScanner} {
		if usable[s] && (v.Sources == nil || slices.Contains(v.Sources, s)) {
			out = append(out, s)
		}
	}
	return out
}

// String writes all that a signature must be, in one form. No two that ask for
// different things are written alike.
func (s Signature) String() string {
	out := word(s.Name)
	if len(s.Keys) > 0 {
		out += " keys " + words(s.Keys)
	}
	if len(s.Keyless) > 0 {
		list := make([]string, len(s.Keyless))
		for i, id := range s.Keyless {
			list[i] = id.String()
		}
		slices.Sort(list)
		out += " keyless " + strings.Join(list, ",")
	}
	if s.TrustRoot != "" {
		out += " trustRoot " + word(s.TrustRoot)
	}
	return out
}

// String writes an identity in one form, as String of Signature does.
func (i Identity) String() string {
	out := word(i.Issuer)
	if i.Subject != "" {
		out += " subject " + word(i.Subject)
	}
	if i.SubjectRegExp != "" {
		out += " subjectRegExp " + word(i.SubjectRegExp)
	}
	return out
}

// words writes a set of texts.
func words(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = word(s)
	}
	slices.Sort(quoted)
	return strings.Join(quoted, ",")
}

// word quotes text that would not be one word.
func word(s string) string {
	if strings.ContainsAny(s, " ,\"") {
		return strconv.Quote(s)
	}
	return s
}

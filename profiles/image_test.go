package profiles

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// imageBody has every key of the section.
const imageBody = `image:
  registries: [ghcr.io/acme, "registry.example.com:5000", "[::1]:5000", localhost, docker.io/library]
  requireDigest: true
  signatures:
    - name: release
      keys: [/etc/safe-run/keys/acme.pub]
      keyless:
        - {issuer: "https://token.example.com", subject: "https://git.example.com/acme/app/release.yml@refs/tags/v1"}
        - {issuer: "https://token.example.com", subjectRegExp: "https://git[.]example[.]com/acme/[a-z]+/.*"}
      trustRoot: /etc/safe-run/trusted_root.json
      why: what we built
  vulnerabilities:
    block: high
    fixableOnly: true
    maxAge: 168h
    sources: [attestation, report, scanner]
    report: /var/lib/reports/app.json
    vex: [/etc/safe-run/vex.json]
    why: nobody can fix the rest
`

func TestDecodeImage(t *testing.T) {
	p := profileOf(t, imageBody)
	yes, block, age, report := true, SeverityHigh, Duration(168*60*60*1e9), "/var/lib/reports/app.json"
	want := Image{
		Registries:    []Registry{"ghcr.io/acme", "registry.example.com:5000", "[::1]:5000", "localhost", "docker.io/library"},
		RequireDigest: &yes,
		Signatures: []Signature{{
			Name: "release", Keys: []string{"/etc/safe-run/keys/acme.pub"}, TrustRoot: "/etc/safe-run/trusted_root.json", Why: "what we built",
			Keyless: []Identity{
				{Issuer: "https://token.example.com", Subject: "https://git.example.com/acme/app/release.yml@refs/tags/v1"},
				{Issuer: "https://token.example.com", SubjectRegExp: "https://git[.]example[.]com/acme/[a-z]+/.*"},
			},
		}},
		Vulnerabilities: Vulnerabilities{
			Block: &block, FixableOnly: &yes, MaxAge: &age, Sources: []FindingSource{FromAttestation, FromReport, FromScanner},
			Report: &report, VEX: []string{"/etc/safe-run/vex.json"}, Why: "nobody can fix the rest",
		},
	}
	if diff := cmp.Diff(want, p.Image); diff != "" {
		t.Error(diff)
	}
	if err := Validate(p); err != nil {
		t.Error(err)
	}
	for path, origin := range map[string]Origin{
		"image.registries[ghcr.io/acme]":     {"t", 6, 16, ""},
		"image.requireDigest":                {"t", 7, 18, ""},
		"image.vulnerabilities.report":       {"t", 21, 13, "nobody can fix the rest"},
		signaturePath(want, 0):               {"t", 9, 7, "what we built"},
		signaturePath(want, 0) + ".keyless":  {"t", 12, 9, "what we built"},
		signaturePath(want, 0) + ".absent":   {"t", 9, 7, "what we built"},
		"image.vulnerabilities.vex[/absent]": {"t", 22, 10, "nobody can fix the rest"},
	} {
		if got := p.Origin(path); got != origin {
			t.Errorf("%s: %+v, want %+v", path, got, origin)
		}
	}
}

func signaturePath(i Image, n int) string { return entry("image.signatures", i.Signatures[n].String()) }

// What may be written in pieces is judged once it is whole.
func TestValidateImage(t *testing.T) {
	const gate = "image: {vulnerabilities: {block: high, "
	for _, tt := range []struct{ name, body, want, hint string }{
		{"a gate that blocks nothing", "image: {vulnerabilities: {maxAge: 1h}}", "t:5:26: image.vulnerabilities: the gate blocks nothing", "block: high"},
		{"fixable only, without a reason", gate + "fixableOnly: true}}", "image.vulnerabilities.fixableOnly: vulnerabilities without a fix pass without a reason", "why:"},
		{"fixable only, with a reason", gate + "fixableOnly: true, why: x}}", "", ""},
		{"not fixable only", gate + "fixableOnly: false}}", "", ""},
		{"report without a file", gate + "sources: [report, scanner]}}", "t:5:50: image.vulnerabilities.sources[report]: no report is named", "report:"},
		{"report with a file", gate + "sources: [report], report: /r}}", "", ""},
		{"no file, and the scanner", gate + "sources: [report, scanner], report: none}}", "", ""},
		{"no file, and nothing else", gate + "sources: [report], report: none}}", "image.vulnerabilities.sources: no source of findings is left", "scanner"},
		{"no source", gate + "sources: []}}", "image.vulnerabilities.sources: no source of findings is left", "scanner"},
		{"attestations that nobody signs", gate + "sources: [attestation]}}", "no source of findings is left", "signatures:"},
		{"attestations that somebody signs", "image: {signatures: [{name: a, keys: [/k]}], vulnerabilities: {block: low, sources: [attestation]}}", "", ""},
		{"any source", gate + "maxAge: 1h}}", "", ""},
		{"no registry at all", "image: {registries: []}", "", ""},
	} {
		err := Validate(profileOf(t, tt.body))
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		t.Run(tt.name, func(t *testing.T) { wantError(t, err, tt.want, tt.hint) })
	}
}

// A value can also come from a program, which Decode has not looked at.
func TestValidateImageValues(t *testing.T) {
	block := Severity("awful")
	p := Profile{Image: Image{Vulnerabilities: Vulnerabilities{Block: &block, Sources: []FindingSource{"rumour"}}}}
	err := Validate(p)
	for _, want := range []string{`"awful" is not a severity`, `unknown source of findings "rumour"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestImageListsAreBounded(t *testing.T) {
	registries := make([]string, mostRegistries+1)
	signatures := make([]string, mostSignatures+1)
	for i := range registries {
		registries[i] = fmt.Sprintf("r%d.example.com", i)
		signatures[i] = fmt.Sprintf("{name: s%d, keys: [/k]}", i)
	}
	body := "image: {registries: [" + strings.Join(registries, ", ") + "]}\n"
	wantError(t, decodeError(head+body), "t.yaml:5:21: image.registries: more than 64 registries", "paths above")
	body = "image: {signatures: [" + strings.Join(signatures, ", ") + "]}\n"
	wantError(t, decodeError(head+body), "t.yaml:5:21: image.signatures: more than 64 signatures", "fewer")
}

// What is laid over a profile may ask for less, and Looser tells.
func TestLayerLoosensImage(t *testing.T) {
	lower := profileOf(t, "image: {registries: [ghcr.io], requireDigest: true, vulnerabilities: {block: low, why: x}}")
	upper := profileOf(t, "image: {registries: [quay.io], requireDigest: false, vulnerabilities: {block: high}}")
	want := "image:\n  registries: [ghcr.io, quay.io]\n  requireDigest: false\n  vulnerabilities:\n    block: high\n"
	if diff := cmp.Diff(want, written(t, Layer(lower, upper))); diff != "" {
		t.Error(diff)
	}
	var got []string
	for _, c := range Looser(Layer(lower, upper), lower) {
		got = append(got, c.Path+" "+c.Old+" "+c.New)
	}
	wantPaths := []string{"image.registries[quay.io]  quay.io", "image.requireDigest true false", "image.vulnerabilities.block low high"}
	if diff := cmp.Diff(wantPaths, got); diff != "" {
		t.Error(diff)
	}
	upper.Replace = []string{"image.registries"}
	if got := Layer(lower, upper).Image.Registries; len(got) != 1 || got[0] != "quay.io" {
		t.Errorf("replaced by %v", got)
	}
}

package vuln

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"
	"unicode"

	"github.com/safe-run/safe-run/sandbox/image"
	"github.com/safe-run/safe-run/spec"
)

// seeds are the reports in testdata, less what no reader looks at: small ones
// are mutated faster.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	var trivy trivyReport
	var grype grypeReport
	var log sarifLog
	var out [][]byte
	for called, into := range map[string]any{"trivy.json": &trivy, "grype.json": &grype, "trivy.sarif": &log} {
		if err := json.Unmarshal(file(f, called), into); err != nil {
			f.Fatal(err)
		}
	}
	grype.Source.Target = json.RawMessage(`{"imageID":"` + configDigest + `","manifestDigest":"` + manifestDigest + `"}`)
	trivy.Results[0].Vulnerabilities = trivy.Results[0].Vulnerabilities[1:2]
	grype.Matches = grype.Matches[:1]
	log.Runs[0].Results = log.Runs[0].Results[1:2]
	log.Runs[0].Tool.Driver.Rules = log.Runs[0].Tool.Driver.Rules[1:2]
	log.Runs[0].Tool.Driver.Rules[0].Help.Text = ""
	for _, report := range []any{trivy, grype, log} {
		b, err := json.Marshal(report)
		if err != nil {
			f.Fatal(err)
		}
		if r, err := Read(b); err != nil || len(r.Findings) != 1 {
			f.Fatalf("a seed of %d findings: %v", len(r.Findings), err)
		}
		out = append(out, b)
	}
	return append(out, []byte(`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"grype","rules":[{"id":"a","help":{"text":"Vulnerability CVE-1\nSeverity: low\nPackage: a\nVersion: 1\nFix Version: \nType: deb"}}]}},"results":[{"ruleId":"a","message":{"text":"x, version 2 was found"}}]}]}`))
}

// FuzzRead reads any bytes as a report and judges by it. What comes out is
// printable and comparable, and passes only without a finding that blocks.
func FuzzRead(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Add([]byte(`{"SchemaVersion":2,"ArtifactType":"container_image","Results":[{"Class":"os-pkgs","Vulnerabilities":[{"VulnerabilityID":"\u001b","PkgName":"\n"}]}]}`))
	f.Add([]byte(`{"matches":[{}],"descriptor":{"name":"grype"},"source":{"type":"image","target":{}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Read(b)
		if err != nil {
			printable(t, err.Error())
			return
		}
		judgeFuzzed(t, r)
	})
}

// FuzzAttestation reads any bytes as the predicate of an attestation.
func FuzzAttestation(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add([]byte(`{"scanner":{"result":` + string(b) + `},"metadata":{"scanFinishedOn":"2026-11-21T10:00:00Z"}}`))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ReadAttestation(b, manifestDigest)
		if err != nil {
			printable(t, err.Error())
			return
		}
		if r.Subject != manifestDigest || r.Created.IsZero() {
			t.Errorf("subject %q, created %s", r.Subject, r.Created)
		}
		judgeFuzzed(t, r)
	})
}

func judgeFuzzed(t *testing.T, r Report) {
	t.Helper()
	for _, d := range append([]string{r.ImageID}, r.Digests...) {
		if d != "" && !image.ValidDigest(d) {
			t.Errorf("digest %q", d)
		}
	}
	if r.ImageID == "" && len(r.Digests) == 0 && r.Subject == "" {
		if _, err := Judge(policy("low"), Known{Reports: []Report{r}}, subject, r.Created); err == nil {
			t.Error("a report of no image lets one pass")
		}
		r.ImageID = configDigest
	}
	// The first digest is the manifest's: one of an index alone would not do.
	s := Subject{Name: "app", Digests: append(slices.Clone(r.Digests), manifestDigest), ConfigDigest: r.ImageID}
	r.DB = time.Time{}
	if !r.Created.IsZero() && r.Created.Before(time.Unix(0, 0)) {
		r.Created = now // there is no judging before time.Time begins
	}
	v, err := Judge(spec.Vulnerabilities{Block: "negligible", MaxAge: time.Hour}, Known{Reports: []Report{r}}, s, r.Created)
	if r.Created.IsZero() {
		if err == nil {
			t.Error("a report of no time lets an image pass")
		}
		return
	}
	if (len(r.Findings) > 0) != errors.Is(err, ErrBlocked) || (err == nil) != (len(v.All) == 0) {
		t.Errorf("%d findings: %v", len(r.Findings), err)
	}
	var out bytes.Buffer
	if err := errors.Join(Table(&out, v), JSON(&out, v), SARIF(v, "1", s).Encode(&out)); err != nil {
		t.Error(err)
	}
	printable(t, out.String())
}

func printable(t *testing.T, s string) {
	t.Helper()
	for _, c := range s {
		if !unicode.IsPrint(c) && c != '\n' && c != '\t' {
			t.Fatalf("%q in the output", c)
		}
	}
}

// FuzzVEX reads any bytes as an OpenVEX document and applies it. It takes back
// nothing that it does not name.
func FuzzVEX(f *testing.F) {
	const head = `{"@context":"https://openvex.dev/ns/v0.2.0","timestamp":"2026-11-20T00:00:00Z","statements":[`
	f.Add([]byte(head + `{"vulnerability":{"name":"CVE-2099-0001"},"products":[{"@id":"pkg:deb/debian/curl"}],"status":"fixed"}]}`))
	f.Add([]byte(head + `{"vulnerability":{"name":"CVE-2099-0001","aliases":["x"]},"products":[{"@id":"pkg:oci/app@` + manifestDigest + `","subcomponents":[{"@id":"pkg:deb/debian/curl@7.88"}]}],"status":"not_affected","impact_statement":"\u001b"}]}`))
	f.Add([]byte(head + `{"vulnerability":{"@id":"a"},"products":[{"hashes":{"sha-256":"a"},"identifiers":{"purl":"pkg:"}}],"status":"affected","action_statement":"a"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := ParseVEX("fuzzed", b)
		if err != nil {
			printable(t, err.Error())
			return
		}
		got := apply(curl, []VEX{doc}, subject)
		printable(t, got.VEX)
		if got.suppressed() && !bytes.Contains(bytes.ToLower(b), []byte("2099")) && !bytes.Contains(b, []byte(`\u`)) && !bytes.Contains(bytes.ToLower(b), []byte("ghsa")) {
			t.Errorf("%s by a document that does not name it", got.Status)
		}
		unnamed := curl
		unnamed.ID, unnamed.Aliases = "CVE-2099-unnamed-by-any-seed", nil
		if got := apply(unnamed, []VEX{doc}, Subject{}); got.suppressed() && !bytes.Contains(bytes.ToLower(b), []byte("unnamed")) && !bytes.Contains(b, []byte(`\u`)) {
			t.Errorf("%s by a document that does not name it", got.Status)
		}
	})
}

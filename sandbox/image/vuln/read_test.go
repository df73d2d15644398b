package vuln

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/safe-run/safe-run/spec/problem"
)

// The digests of the image that the reports in testdata are of.
const (
	manifestDigest = "sha256:a77b40ee97a3838b2320b580de92c9b4a72c6a1046da10a4776334a40fbaaf9a"
	configDigest   = "sha256:cdeef435e8b6b608980c5a5a9c009b8b7b1363f37720e96b2a2c77792121b662"
)

func file(t testing.TB, called string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", called))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(t testing.TB, called string) Report {
	t.Helper()
	r, err := Read(file(t, called))
	if err != nil {
		t.Fatalf("%s: %v", called, err)
	}
	return r
}

func at(t testing.TB, s string) time.Time {
	t.Helper()
	out, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestReadTrivy(t *testing.T) {
	got := read(t, "trivy.json")
	purl := func(s string) string { return "pkg:deb/debian/" + s }
	want := Report{
		Tool: "trivy", Version: "0.70.0", Created: got.Created, ImageID: configDigest,
		Findings: []Finding{
			{ID: "CVE-2099-0002", Severity: Low, Status: Affected, Source: "trivy", URL: "https://avd.aquasec.com/nvd/cve-2099-0002", Title: "bash: a flaw made for tests",
				Package: Package{Name: "bash", Version: "5.2.15-2", PURL: purl("bash@5.2.15-2?arch=amd64&distro=debian-12.5"), Type: "debian"}},
			{ID: "CVE-2099-0001", Severity: Critical, Score: 9.8, Status: Affected, Source: "trivy", URL: "https://avd.aquasec.com/nvd/cve-2099-0001", Title: "curl: a hole made for tests",
				Package: Package{Name: "curl", Version: "7.88.1-10", PURL: purl("curl@7.88.1-10?arch=amd64&distro=debian-12.5"), Type: "debian"}, FixedIn: []string{"7.89.0-1"}},
			{ID: "CVE-2099-0003", Severity: Unknown, Status: Affected, Source: "trivy", URL: "https://avd.aquasec.com/nvd/cve-2099-0003", Title: "zlib: nobody knows how bad",
				Package: Package{Name: "zlib1g", Version: "1:1.2.13-1", PURL: purl("zlib1g@1.2.13-1?arch=amd64&distro=debian-12.5&epoch=1"), Type: "debian"}, FixedIn: []string{"1:1.3.0-1"}},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got.Created.UTC().Format(time.DateOnly) != "2026-11-21" {
		t.Errorf("created %s", got.Created)
	}
}

func TestReadGrype(t *testing.T) {
	got := read(t, "grype.json")
	want := Report{
		Tool: "grype", Version: "[not provided]", Created: got.Created, DB: at(t, "2026-11-21T10:40:54Z"), ImageID: configDigest, Digests: []string{manifestDigest},
		Findings: []Finding{
			{ID: "CVE-2099-0001", Severity: Critical, Score: 9.8, Status: Affected, Source: "grype", URL: "https://example.org/CVE-2099-0001", Title: "A hole made for tests.",
				Package: Package{Name: "curl", Version: "7.88.1-10", PURL: "pkg:deb/debian/curl@7.88.1-10?arch=amd64&distro=debian-12", Type: "deb"}, FixedIn: []string{"7.89.0-1"}},
			{ID: "CVE-2099-0002", Severity: Low, Status: Affected, Source: "grype", URL: "https://example.org/CVE-2099-0002", Title: "A flaw made for tests.",
				Package: Package{Name: "bash", Version: "5.2.15-2", PURL: "pkg:deb/debian/bash@5.2.15-2?arch=amd64&distro=debian-12", Type: "deb"}},
			{ID: "CVE-2099-0003", Severity: Unknown, Status: Affected, Source: "grype", URL: "https://example.org/CVE-2099-0003", Title: "Nobody knows how bad.",
				Package: Package{Name: "zlib1g", Version: "1:1.2.13-1", PURL: "pkg:deb/debian/zlib1g@1%3A1.2.13-1?arch=amd64&distro=debian-12", Type: "deb"}, FixedIn: []string{"1:1.3.0-1"}},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got.Created.UTC().Format(time.DateOnly) != "2026-11-21" {
		t.Errorf("created %s", got.Created)
	}
}

// TestSARIFSaysTheSame: what is read of a scanner's SARIF is what is read of
// its JSON, less what SARIF has no place for.
func TestSARIFSaysTheSame(t *testing.T) {
	for _, tool := range []string{"trivy", "grype"} {
		sarif, report := read(t, tool+".sarif"), read(t, tool+".json")
		for i, want := range report.Findings {
			got := sarif.Findings[i]
			if got.ID != want.ID || got.rank() != want.rank() || got.Package.Name != want.Package.Name || got.Package.Version != want.Package.Version || !cmp.Equal(got.FixedIn, want.FixedIn) {
				// Grype's SARIF writes low for what it does not know, but then
				// with a score that says so.
				t.Errorf("%s: SARIF says %+v\nJSON says %+v", tool, got, want)
			}
		}
		if len(sarif.Findings) != len(report.Findings) || sarif.Tool != tool || !sarif.Created.IsZero() {
			t.Errorf("%s: SARIF gave %d findings of %s at %s", tool, len(sarif.Findings), sarif.Tool, sarif.Created)
		}
	}
	if got := read(t, "trivy.sarif").ImageID; got != configDigest {
		t.Errorf("Trivy's SARIF is of %q", got)
	}
	if got := read(t, "grype.sarif"); got.ImageID != "" || got.Digests != nil {
		t.Errorf("Grype's SARIF, which names no digest, is of %q %v", got.ImageID, got.Digests)
	}
}

func TestReadAttestation(t *testing.T) {
	got, err := ReadAttestation(file(t, "trivy.cosign-vuln.json"), manifestDigest)
	if err != nil {
		t.Fatal(err)
	}
	if got.Subject != manifestDigest || got.ImageID != configDigest || len(got.Findings) != 3 || got.Tool != "trivy" {
		t.Errorf("%+v", got)
	}
	old := `{"scanner":{"uri":"x","db":{"lastUpdate":"2026-01-01T00:00:00Z"},"result":` + string(file(t, "trivy.json")) + `},"metadata":{"scanFinishedOn":"2026-11-01T00:00:00Z"}}`
	if got, err = ReadAttestation([]byte(old), manifestDigest); err != nil || got.Created != at(t, "2026-11-01T00:00:00Z") || got.DB != at(t, "2026-01-01T00:00:00Z") {
		t.Errorf("an attestation that is older than its report: created %s, database %s, %v", got.Created, got.DB, err)
	}
	young := strings.Replace(old, "2026-11-01", "2099-11-01", 1)
	if got, err = ReadAttestation([]byte(young), manifestDigest); err != nil || got.Created.Year() != 2026 {
		t.Errorf("an attestation makes its report younger: %s, %v", got.Created, err)
	}
	for why, c := range map[string]struct{ predicate, subject string }{
		"not JSON":         {`{`, manifestDigest},
		"no result":        {`{"scanner":{}}`, manifestDigest},
		"no time":          {strings.Replace(old, "scanFinishedOn", "x", 1), manifestDigest},
		"no digest":        {old, "sha256:1234"},
		"a strange report": {`{"scanner":{"result":{"a":1}},"metadata":{"scanFinishedOn":"2026-11-01T00:00:00Z"}}`, manifestDigest},
	} {
		if _, err := ReadAttestation([]byte(c.predicate), c.subject); err == nil {
			t.Errorf("%s: an attestation was read", why)
		}
	}
}

// swap replaces what must be there.
func swap(t testing.TB, s, old, with string) string {
	t.Helper()
	if !strings.Contains(s, old) {
		t.Fatalf("no %s to be replaced", old)
	}
	return strings.Replace(s, old, with, 1)
}

func TestReadRefuses(t *testing.T) {
	trivy, grype, sarif := string(file(t, "trivy.json")), string(file(t, "grype.json")), string(file(t, "trivy.sarif"))
	for _, c := range []struct{ why, report, want string }{
		{"nothing", "", "not the JSON"},
		{"another format", `{"bomFormat":"CycloneDX"}`, "neither"},
		{"null", "null", "neither"},
		{"a list", "[]", "not the JSON"},
		{"two values", trivy + trivy, "not the JSON"},
		{"another schema", swap(t, trivy, `"SchemaVersion": 2`, `"SchemaVersion": 3`), "schema version 3"},
		{"a directory", swap(t, trivy, `"container_image"`, `"filesystem"`), `of a "filesystem"`},
		{"secrets only", swap(t, trivy, `"os-pkgs"`, `"secret"`), "no packages"},
		{"no id", swap(t, trivy, `"VulnerabilityID": "CVE-2099-0001"`, `"VulnerabilityID": ""`), "without an id"},
		{"no package", swap(t, trivy, `"PkgName": "curl"`, `"PkgName": ""`), "CVE-2099-0001 without a package"},
		{"findings twice", swap(t, trivy, `"Vulnerabilities": [`, `"Vulnerabilities": null, "Vulnerabilities": [`), `"Vulnerabilities" twice`},
		{"findings, and a look-alike", swap(t, trivy, `"Vulnerabilities": [`, `"vulnerabilities": null, "Vulnerabilities": [`), "which some read as"},
		{"two severities", swap(t, grype, `"severity":"Critical"`, `"severity":"Critical","severity":"Low"`), `"severity" twice`},
		{"a severity in other words", swap(t, trivy, `"Severity": "CRITICAL"`, `"Severity": "kritisch"`), "CVE-2099-0001 in curl has a severity that is none of"},
		{"SARIF with a severity in other words", strings.ReplaceAll(sarif, "CRITICAL", "KRITISCH"), "has a severity that is none of"},
		{"a number for a name", swap(t, trivy, `"PkgName": "curl"`, `"PkgName": 7`), "not the JSON"},
		{"a grype directory", swap(t, grype, `"type":"image"`, `"type":"directory"`), `of a "directory"`},
		{"not grype", swap(t, grype, `"name":"grype"`, `"name":"other"`), "not of grype"},
		{"grype without a target", swap(t, grype, `"target"`, `"x"`), "not the JSON"},
		{"SARIF of another tool", swap(t, sarif, `"Trivy"`, `"other"`), `SARIF of "other"`},
		{"SARIF 2.0", swap(t, sarif, `"2.1.0"`, `"2.0.0"`), "2.0.0"},
		{"a result without a rule", swap(t, sarif, `"ruleId": "CVE-2099-0001"`, `"ruleId": "CVE-0"`), "does not have"},
		{"a name with a line's end", swap(t, sarif, `"text": "Package: curl\n`, `"text": "Package: curl\nFixed Version: \n`), "two fields"},
		{"a field that is missing", swap(t, sarif, `\nInstalled Version:`, `\nX:`), "no field"},
	} {
		_, err := Read([]byte(c.report))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", c.why, err, c.want)
		} else if problem.HintOf(err) == "" {
			t.Errorf("%s: no hint", c.why)
		}
	}
}

func TestLoad(t *testing.T) {
	if _, err := Load("testdata/trivy.json"); err != nil {
		t.Error(err)
	}
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, maxReport+1); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: "not a regular file", large: "larger than 64 MiB", filepath.Join(dir, "none"): "no such file", "/dev/zero": "not a regular file"} {
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), path) != 1 {
			t.Errorf("Load(%s): %v, want %q", path, err, want)
		}
		if _, err := LoadVEX(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("LoadVEX(%s): %v, want %q", path, err, want)
		}
	}
}

// TestBombs: small elements must not take large amounts of memory.
func TestBombs(t *testing.T) {
	many := func(element string, n int) string { return "[" + strings.Repeat(element+",", n-1) + element + "]" }
	for why, report := range map[string]string{
		"nulls":     `{"matches":` + many("null", 5<<20) + `,"descriptor":{"name":"grype"}}`,
		"numbers":   `{"SchemaVersion":2,"Results":[{"Vulnerabilities":` + many("0", 10<<20) + `}]}`,
		"objects":   `{"matches":` + many("{}", maxObjects+1) + `}`,
		"no list":   `{"matches":{}}`,
		"too large": strings.Repeat(" ", maxReport) + "{}",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Read([]byte(report))
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; err == nil || used > 8*uint64(len(report))+1<<20 {
			t.Errorf("%s: %d bytes took %d: %v", why, len(report), used, err)
		}
	}
	if _, err := ParseVEX("a.json", []byte(`{"statements":`+many("0", maxCommas+2)+`}`)); err == nil || !strings.Contains(err.Error(), "commas") {
		t.Error(err)
	}
}

// TestMisconfigurationsDoNotCount: Trivy's SARIF holds more than
// vulnerabilities.
func TestMisconfigurationsDoNotCount(t *testing.T) {
	b := strings.ReplaceAll(string(file(t, "trivy.sarif")), `"vulnerability",`, `"misconfiguration",`)
	got, err := Read([]byte(b))
	if err != nil || len(got.Findings) != 0 {
		t.Errorf("%d findings, %v", len(got.Findings), err)
	}
}

func TestSeverity(t *testing.T) {
	for in, want := range map[string]Severity{"CRITICAL": Critical, "High": High, "important": High, "Moderate": Medium, "low": Low, "Negligible": Negligible, "": Unknown, "none": Unknown, " High\n": High, "worst": strange, "kritisch": strange} {
		if got := parseSeverity(in); got != want {
			t.Errorf("parseSeverity(%q) = %s, want %s", in, got, want)
		}
	}
	for _, c := range []struct {
		severity Severity
		score    float64
		want     Severity
	}{{Unknown, 0, High}, {Unknown, 3, High}, {Unknown, 9.1, Critical}, {Low, 9.1, Low}, {Critical, 0, Critical}} {
		if got := (Finding{Severity: c.severity, Score: c.score}).rank(); got != c.want {
			t.Errorf("%s with score %g counts as %s, want %s", c.severity, c.score, got, c.want)
		}
	}
}

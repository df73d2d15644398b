package vuln

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/problem"
)

const otherDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

var subject = Subject{Name: "app:1.0", Digests: []string{manifestDigest}, ConfigDigest: configDigest}

// now is when the tests judge: an hour after the reports in testdata were made.
var now = time.Date(2026, 11, 21, 11, 45, 0, 0, time.UTC)

func policy(block string) spec.Vulnerabilities {
	return spec.Vulnerabilities{Block: block, MaxAge: 24 * time.Hour}
}

// readers gives the same three findings through each reader: curl (critical,
// fixable), bash (low, no fix), zlib1g (unknown, fixable).
func readers(t testing.TB) map[string]Report {
	t.Helper()
	attested, err := ReadAttestation(file(t, "trivy.cosign-vuln.json"), manifestDigest)
	if err != nil {
		t.Fatal(err)
	}
	ended := swap(t, string(file(t, "trivy.sarif")), `"columnKind"`, `"invocations":[{"executionSuccessful":true,"endTimeUtc":"2026-11-21T10:45:00Z"}],"columnKind"`)
	sarif, err := Read([]byte(ended))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]Report{"trivy": read(t, "trivy.json"), "grype": read(t, "grype.json"), "sarif": sarif, "attestation": attested}
}

func vexDoc(t testing.TB, statements string) VEX {
	t.Helper()
	v, err := ParseVEX("acme.vex.json", []byte(`{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.org/vex","author":"acme","timestamp":"2026-11-20T00:00:00Z","version":1,"statements":[`+statements+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// notCurl takes CVE-2099-0001 back for the image.
func notCurl(t testing.TB) VEX {
	return vexDoc(t, `{"vulnerability":{"name":"CVE-2099-0001"},"products":[{"@id":"pkg:oci/app@`+strings.Replace(manifestDigest, ":", "%3A", 1)+`"}],"status":"not_affected","justification":"vulnerable_code_not_in_execute_path"}`)
}

func ids(findings []Finding) string {
	var out []string
	for _, f := range findings {
		out = append(out, strings.TrimPrefix(f.ID, "CVE-2099-000"))
	}
	slices.Sort(out)
	return strings.Join(out, "")
}

// TestGateMatrix judges each reader's report by each threshold, with and
// without VEX, with and without FixableOnly.
func TestGateMatrix(t *testing.T) {
	for reader, report := range readers(t) {
		for _, c := range []struct {
			block             string
			fixable, vex      bool
			blocked, silenced string
		}{
			{"critical", false, false, "1", ""},
			{"high", false, false, "13", ""}, // what nobody knows counts as high
			{"medium", false, false, "13", ""},
			{"low", false, false, "123", ""},
			{"negligible", false, false, "123", ""},
			{"low", true, false, "13", ""},
			{"critical", false, true, "", "1"},
			{"high", false, true, "3", "1"},
			{"low", true, true, "3", "1"},
			{"low", false, true, "23", "1"},
		} {
			p, docs := policy(c.block), []VEX(nil)
			p.FixableOnly = c.fixable
			if c.vex {
				docs = []VEX{notCurl(t)}
			}
			v, err := Judge(p, Known{Reports: []Report{report}, VEX: docs}, subject, now)
			if ids(v.Blocked) != c.blocked || ids(v.Suppressed) != c.silenced || ids(v.All) != "123" || errors.Is(err, ErrBlocked) != (c.blocked != "") || (err != nil) != (c.blocked != "") {
				t.Errorf("%s %+v: blocked %q, suppressed %q of %q, %v", reader, c, ids(v.Blocked), ids(v.Suppressed), ids(v.All), err)
			}
			if want := report.oldest(now).Add(p.MaxAge); !v.Expires.Equal(want) {
				t.Errorf("%s: expires %s, want %s", reader, v.Expires, want)
			}
		}
	}
}

// TestGateRefuses: a report that is not of this image, or not of this time.
func TestGateRefuses(t *testing.T) {
	for reader, report := range readers(t) {
		foreign := Subject{Name: "app:1.0", Digests: []string{otherDigest}, ConfigDigest: otherDigest}
		for _, c := range []struct {
			why     string
			change  func(*Report)
			subject Subject
			now     time.Time
			want    string
		}{
			{"another image", nil, foreign, now, "is of another image"},
			{"stale", nil, subject, now.Add(25 * time.Hour), "too old"},
			{"future", nil, subject, report.Created.Add(-6 * time.Minute), "is from the future"},
			{"future database", func(r *Report) { r.DB = now.Add(time.Hour) }, subject, now, "is from the future"},
			{"no time", func(r *Report) { r.Created = time.Time{} }, subject, now, "does not say when it was made"},
			{"no digest", func(r *Report) { r.ImageID, r.Digests, r.Subject = "", nil, "" }, subject, now, "does not say which image"},
			{"old database", func(r *Report) { r.DB = now.Add(-25 * time.Hour) }, subject, now, "too old a database"},
			{"an image without a digest", nil, Subject{Name: "app:1.0"}, now, "no digest"},
			{"an empty digest", func(r *Report) { r.ImageID, r.Digests, r.Subject = "", []string{""}, "" }, Subject{Name: "app", Digests: []string{""}}, now, "no digest"},
		} {
			r := report
			if c.change != nil {
				c.change(&r)
			}
			v, err := Judge(policy("negligible"), Known{Reports: []Report{r}}, c.subject, c.now)
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrBlocked) || v.All != nil {
				t.Errorf("%s, %s: %v, want %q", reader, c.why, err, c.want)
			}
			if len(c.subject.all()) > 0 && problem.HintOf(err) == "" {
				t.Errorf("%s, %s: no hint", reader, c.why)
			}
		}
		within := report.Created.Add(-4 * time.Minute)
		if v, err := Judge(policy("critical"), Known{Reports: []Report{report}, VEX: []VEX{notCurl(t)}}, subject, within); err != nil || v.Expires.After(within.Add(24*time.Hour)) {
			t.Errorf("%s: a clock four minutes ahead: expires %s, %v", reader, v.Expires, err)
		}
	}
}

func TestGateNeedsAReport(t *testing.T) {
	_, err := Judge(policy("high"), Known{}, subject, now)
	if err == nil || err.Error() != "image app:1.0 has no vulnerability report" || !strings.Contains(problem.HintOf(err), "image.vulnerabilities.report") {
		t.Errorf("%v, hint %q", err, problem.HintOf(err))
	}
	if _, err := Judge(policy(""), Known{Reports: []Report{read(t, "trivy.json")}}, subject, now); err == nil {
		t.Error("a policy without a threshold lets an image pass")
	}
	if _, err := Judge(policy("unknown"), Known{Reports: []Report{read(t, "trivy.json")}}, subject, now); err == nil {
		t.Error("a threshold of unknown severity lets an image pass")
	}
}

func TestBinding(t *testing.T) {
	index := "sha256:" + strings.Repeat("1", 64)
	s := Subject{Name: "app", Digests: []string{manifestDigest, index}, ConfigDigest: configDigest}
	for _, c := range []struct {
		why    string
		report Report
		bound  bool
	}{
		{"config", Report{ImageID: configDigest}, true},
		{"manifest", Report{Digests: []string{manifestDigest}}, true},
		{"manifest and index", Report{Digests: []string{index, manifestDigest}}, true},
		{"index, of which platform is not said", Report{Digests: []string{otherDigest, index}}, false},
		{"index, attested of this platform", Report{Digests: []string{index}, Subject: manifestDigest}, true},
		{"index taken for the image's id", Report{ImageID: index}, true},
		{"manifest taken for the image's id", Report{ImageID: manifestDigest}, true},
		{"the index's other platform", Report{ImageID: otherDigest, Digests: []string{index}}, false},
		{"attested", Report{Subject: manifestDigest}, true},
		{"attested of this, made of another", Report{Subject: manifestDigest, ImageID: otherDigest}, false},
		{"attested of another, made of this", Report{Subject: otherDigest, ImageID: configDigest}, false},
		{"nothing", Report{}, false},
	} {
		if err := bound(c.report, s); (err == nil) != c.bound {
			t.Errorf("%s: %v", c.why, err)
		}
	}
}

// TestUnusableReportsAreNamed: one good report is enough, and the verdict says
// what was left out.
func TestUnusableReportsAreNamed(t *testing.T) {
	stale := read(t, "trivy.json")
	stale.Created = now.Add(-48 * time.Hour)
	v, err := Judge(policy("critical"), Known{Reports: []Report{stale, read(t, "grype.json")}, VEX: []VEX{notCurl(t)}}, subject, now)
	if err != nil || len(v.Ignored) != 1 || !strings.Contains(v.Ignored[0], "too old") || len(v.Evidence) != 1 || v.Evidence[0].Tool != "grype" {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestEverySignerCounts: what one signer said too long ago is not said by
// another in its place.
func TestEverySignerCounts(t *testing.T) {
	clean := func(signer string, age time.Duration) Report {
		return Report{Tool: "trivy", Signer: signer, Subject: manifestDigest, Created: now.Add(-age)}
	}
	const young, old = time.Hour, 48 * time.Hour
	for _, c := range []struct {
		why     string
		reports []Report
		used    int
	}{
		{"both young", []Report{clean("0", young), clean("1", young)}, 2},
		{"one old", []Report{clean("0", old), clean("1", young)}, 0},
		{"one old, the other way round", []Report{clean("0", young), clean("1", old)}, 0},
		{"one old, and young again", []Report{clean("0", old), clean("1", young), clean("0", young)}, 2},
		{"one old, and a file", []Report{clean("0", old), clean("1", young), clean("", young)}, 1},
		{"signed, and an old file", []Report{clean("0", young), clean("", old)}, 1},
	} {
		v, err := Judge(policy("high"), Known{Reports: c.reports}, subject, now)
		if len(v.Evidence) != c.used || (err == nil) != (c.used > 0) {
			t.Errorf("%s: %d reports count, %v", c.why, len(v.Evidence), err)
		}
	}
}

func TestTwoReportsAreOne(t *testing.T) {
	a, b := read(t, "grype.json"), read(t, "grype.json")
	a.Findings = slices.Clone(a.Findings)
	a.Findings[1].Severity, a.Findings[1].Source = High, "trivy"
	a.Findings[1].FixedIn = []string{"5.3"}
	for _, reports := range [][]Report{{a, b}, {b, a}} {
		v, _ := Judge(policy("high"), Known{Reports: reports}, subject, now)
		if ids(v.All) != "123" || ids(v.Blocked) != "123" {
			t.Errorf("all %q, blocked %q", ids(v.All), ids(v.Blocked))
		}
	}
}

// TestTheOldestReportExpiresFirst, in whatever order they come.
func TestTheOldestReportExpiresFirst(t *testing.T) {
	young, old := read(t, "trivy.json"), read(t, "trivy.json")
	old.Created = now.Add(-20 * time.Hour)
	for _, reports := range [][]Report{{young, old}, {old, young}} {
		v, _ := Judge(policy("high"), Known{Reports: reports}, subject, now)
		if want := now.Add(4 * time.Hour); !v.Expires.Equal(want) || len(v.Evidence) != 2 {
			t.Errorf("expires %s, want %s", v.Expires, want)
		}
	}
}

func TestMessage(t *testing.T) {
	r := Report{Tool: "trivy", Created: now, ImageID: configDigest}
	for i, severity := range []Severity{Critical, High, Critical, High} {
		r.Findings = append(r.Findings, Finding{ID: fmt.Sprintf("CVE-2099-000%d", i+1), Severity: severity, Status: Affected, Package: Package{Name: "curl", Version: "7.88"}, FixedIn: []string{"7.89"}})
	}
	for _, c := range []struct {
		block string
		count int
		want  string
	}{
		{"high", 4, "image app:1.0 has 4 findings of high or worse (2 critical): CVE-2099-0001 in curl 7.88 (fixed in 7.89), CVE-2099-0003 in curl 7.88 (fixed in 7.89), CVE-2099-0002 in curl 7.88 (fixed in 7.89), and 1 more"},
		{"critical", 4, "image app:1.0 has 2 findings of critical severity: CVE-2099-0001 in curl 7.88 (fixed in 7.89), CVE-2099-0003 in curl 7.88 (fixed in 7.89)"},
		{"critical", 1, "image app:1.0 has a finding of critical severity: CVE-2099-0001 in curl 7.88 (fixed in 7.89)"},
	} {
		cut := r
		cut.Findings = r.Findings[:c.count]
		_, err := Judge(policy(c.block), Known{Reports: []Report{cut}}, subject, now)
		if err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
		if hint := problem.HintOf(err); !strings.HasPrefix(hint, "rebuild the image with curl 7.89; or ") || !strings.Contains(hint, "image.vulnerabilities.block") {
			t.Errorf("hint %q", hint)
		}
	}
	unfixed := r
	unfixed.Findings = []Finding{{ID: "CVE-2099-0009", Severity: Critical, Package: Package{Name: "bash"}}}
	if _, err := Judge(policy("high"), Known{Reports: []Report{unfixed}}, subject, now); err.Error() != "image app:1.0 has a finding of high or worse (1 critical): CVE-2099-0009 in bash" || !strings.HasPrefix(problem.HintOf(err), "say in an OpenVEX document") {
		t.Errorf("%v, hint %q", err, problem.HintOf(err))
	}
}

// TestGateIsMonotonic: a lower threshold blocks no less, FixableOnly and VEX
// block no more, another report takes nothing away, and every finding is shown.
func TestGateIsMonotonic(t *testing.T) {
	finding := rapid.Custom(func(t *rapid.T) Finding {
		f := Finding{
			ID: fmt.Sprintf("CVE-2099-000%d", rapid.IntRange(1, 5).Draw(t, "id")), Status: Affected,
			Severity: Severity(rapid.IntRange(0, 5).Draw(t, "severity")), Score: rapid.Float64Range(0, 10).Draw(t, "score"),
			Package: Package{Name: rapid.SampledFrom([]string{"curl", "bash"}).Draw(t, "package"), Version: "1"},
		}
		f.Package.PURL = "pkg:deb/debian/" + f.Package.Name + "@1"
		if rapid.Bool().Draw(t, "fixable") {
			f.FixedIn = []string{"2"}
		}
		return f
	})
	report := rapid.Custom(func(t *rapid.T) Report {
		return Report{Tool: "trivy", Created: now, ImageID: configDigest, Findings: rapid.SliceOf(finding).Draw(t, "findings")}
	})
	doc := notCurl(t)
	statuses := []string{`"fixed"`, `"under_investigation"`, `"affected","action_statement":"update"`, `"not_affected","impact_statement":"not used"`}
	var documents []VEX
	for i, status := range statuses {
		documents = append(documents, vexDoc(t, fmt.Sprintf(`{"vulnerability":{"name":"CVE-2099-000%d"},"products":[{"@id":"pkg:deb/debian/curl"}],"status":%s}`, i+1, status)))
	}
	documents = append(documents, doc)
	rapid.Check(t, func(t *rapid.T) {
		r, more := report.Draw(t, "report"), report.Draw(t, "another")
		level := rapid.IntRange(1, 5).Draw(t, "threshold")
		p := policy(severities[level])
		p.FixableOnly = rapid.Bool().Draw(t, "fixable only")
		docs := rapid.SliceOf(rapid.SampledFrom(documents)).Draw(t, "vex")
		base := judged(t, p, docs, r)
		if level > 1 {
			lower := p
			lower.Block = severities[level-1]
			contains(t, "a lower threshold unblocks", judged(t, lower, docs, r).Blocked, base.Blocked)
		}
		all := p
		all.FixableOnly = false
		contains(t, "FixableOnly blocks", judged(t, all, docs, r).Blocked, base.Blocked)
		contains(t, "VEX blocks", judged(t, p, nil, r).Blocked, base.Blocked)
		contains(t, "another report unblocks", judged(t, p, docs, r, more).Blocked, base.Blocked)
		if len(base.All) != len(merge([]Report{r})) || base.Summary.Blocked != len(base.Blocked) {
			t.Fatalf("%d findings shown of %d", len(base.All), len(r.Findings))
		}
	})
}

func judged(t *rapid.T, p spec.Vulnerabilities, docs []VEX, reports ...Report) Verdict {
	v, err := Judge(p, Known{Reports: reports, VEX: docs}, subject, now)
	if err != nil && !errors.Is(err, ErrBlocked) || (err != nil) != (len(v.Blocked) > 0) {
		t.Fatalf("%d blocked: %v", len(v.Blocked), err)
	}
	return v
}

func contains(t *rapid.T, what string, more, fewer []Finding) {
	for _, f := range fewer {
		if !slices.ContainsFunc(more, func(g Finding) bool { return g.ID == f.ID && g.Package.Name == f.Package.Name }) {
			t.Fatalf("%s %s in %s", what, f.ID, f.Package)
		}
	}
}

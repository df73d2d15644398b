package vuln

import (
	"errors"
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/problem"
)

// curl is the finding that the statements below are about.
var curl = Finding{
	ID: "CVE-2099-0001", Aliases: []string{"GHSA-aaaa-bbbb-cccc"}, Severity: Critical, Status: Affected,
	Package: Package{Name: "curl", Version: "7.88", PURL: "pkg:deb/debian/curl@7.88?arch=amd64&distro=debian-12"},
}

func TestVEXMatches(t *testing.T) {
	image := `"@id":"pkg:oci/app@` + manifestDigest + `"`
	for _, c := range []struct {
		why, vulnerability, product string
		covered                     bool
	}{
		{"image", `"name":"CVE-2099-0001"`, image, true},
		{"image by its purl identifier", `"name":"CVE-2099-0001"`, `"@id":"urn:x","identifiers":{"purl":"pkg:oci/app@` + manifestDigest + `?repository_url=example.org/app"}`, true},
		{"image by its hash", `"name":"CVE-2099-0001"`, `"@id":"urn:x","hashes":{"sha-256":"` + strings.TrimPrefix(configDigest, "sha256:") + `"}`, true},
		{"image in Docker's words", `"name":"CVE-2099-0001"`, `"@id":"pkg:docker/acme/app@` + manifestDigest + `"`, true},
		{"a package of the same digest", `"name":"CVE-2099-0001"`, `"@id":"pkg:generic/app@` + manifestDigest + `"`, false},
		{"another image", `"name":"CVE-2099-0001"`, `"@id":"pkg:oci/app@` + otherDigest + `"`, false},
		{"image without a digest", `"name":"CVE-2099-0001"`, `"@id":"pkg:oci/app"`, false},
		{"image with a tag", `"name":"CVE-2099-0001"`, `"@id":"pkg:oci/app@1.0"`, false},
		{"image, the package in it", `"name":"CVE-2099-0001"`, image + `,"subcomponents":[{"@id":"pkg:deb/debian/curl@7.88"}]`, true},
		{"image, another package in it", `"name":"CVE-2099-0001"`, image + `,"subcomponents":[{"@id":"pkg:deb/debian/bash"}]`, false},
		{"image, two packages in it", `"name":"CVE-2099-0001"`, image + `,"subcomponents":[{"@id":"pkg:deb/debian/bash"},{"@id":"urn:x","identifiers":{"purl":"pkg:deb/debian/curl"}}]`, true},
		{"package", `"name":"CVE-2099-0001"`, `"@id":"pkg:deb/debian/curl"`, true},
		{"package and version", `"name":"CVE-2099-0001"`, `"@id":"pkg:deb/debian/curl@7.88"`, true},
		{"package and qualifier", `"name":"CVE-2099-0001"`, `"@id":"pkg:deb/debian/curl@7.88?distro=debian-12"`, true},
		{"another version", `"name":"CVE-2099-0001"`, `"@id":"pkg:deb/debian/curl@7.89"`, false},
		{"another qualifier", `"name":"CVE-2099-0001"`, `"@id":"pkg:deb/debian/curl@7.88?distro=debian-11"`, false},
		{"another epoch", `"name":"CVE-2099-0001"`, `"@id":"pkg:deb/debian/curl@7.88?epoch=1"`, false},
		{"another namespace", `"name":"CVE-2099-0001"`, `"@id":"pkg:deb/ubuntu/curl"`, false},
		{"another type", `"name":"CVE-2099-0001"`, `"@id":"pkg:rpm/debian/curl"`, false},
		{"a prefix of the name", `"name":"CVE-2099-0001"`, `"@id":"pkg:deb/debian/cur"`, false},
		{"a part of the package", `"name":"CVE-2099-0001"`, `"@id":"pkg:deb/debian/curl@7.88#lib"`, false},
		{"the name alone", `"name":"CVE-2099-0001"`, `"@id":"curl"`, false},
		{"package with another below it", `"name":"CVE-2099-0001"`, `"@id":"pkg:deb/debian/curl","subcomponents":[{"@id":"pkg:deb/debian/bash"}]`, false},
		{"nothing", `"name":"CVE-2099-0001"`, `"supplier":"acme"`, false},
		{"alias of the finding", `"name":"GHSA-aaaa-bbbb-cccc"`, image, true},
		{"alias of the statement", `"name":"ACME-1","aliases":["CVE-2099-0001"]`, image, true},
		{"in lower case", `"name":"cve-2099-0001"`, image, true},
		{"by id", `"@id":"CVE-2099-0001"`, image, true},
		{"another vulnerability", `"name":"CVE-2099-00011"`, image, false},
		{"an empty alias", `"name":"ACME-1","aliases":[""]`, image, false},
	} {
		doc := vexDoc(t, `{"vulnerability":{`+c.vulnerability+`},"products":[{`+c.product+`}],"status":"fixed"}`)
		got := apply(curl, []VEX{doc}, subject)
		if got.suppressed() != c.covered || (got.Status == Fixed) != c.covered {
			t.Errorf("%s: %s (%s)", c.why, got.Status, got.VEX)
		}
	}
	advisory := curl
	advisory.ID, advisory.Aliases = "ELSA-2099-1", []string{"CVE-2099-0001", "CVE-2099-0009"}
	for _, c := range []struct {
		why, vulnerability, status string
		want                       Status
	}{
		{"one of an advisory", `"name":"CVE-2099-0001"`, "fixed", Affected},
		{"all of an advisory", `"name":"CVE-2099-0001","aliases":["cve-2099-0009"]`, "fixed", Fixed},
		{"the advisory", `"name":"ELSA-2099-1"`, "fixed", Fixed},
		{"one of an advisory, which tells nothing off", `"name":"CVE-2099-0001"`, "under_investigation", UnderInvestigation},
	} {
		doc := vexDoc(t, `{"vulnerability":{`+c.vulnerability+`},"products":[{`+image+`}],"status":"`+c.status+`"}`)
		if got := apply(advisory, []VEX{doc}, subject); got.Status != c.want {
			t.Errorf("%s: %s", c.why, got.Status)
		}
	}
	none := curl
	none.Package.PURL = ""
	if got := apply(none, []VEX{vexDoc(t, `{"vulnerability":{"name":"CVE-2099-0001"},"products":[{"@id":"pkg:deb/debian/curl"}],"status":"fixed"}`)}, subject); got.suppressed() {
		t.Error("a package without a purl is suppressed by its name")
	}
}

func TestLatestVEXWins(t *testing.T) {
	const about = `"vulnerability":{"name":"CVE-2099-0001"},"products":[{"@id":"pkg:deb/debian/curl"}],`
	fixed, affected := about+`"status":"fixed"`, about+`"status":"affected","action_statement":"update"`
	unsure := about + `"status":"under_investigation"`
	when := func(s, day string) string { return `{` + s + `,"timestamp":"2026-11-` + day + `T00:00:00Z"}` }
	for _, c := range []struct {
		why        string
		statements []string
		want       Status
	}{
		{"none", nil, Affected},
		{"one", []string{when(fixed, "10")}, Fixed},
		{"later affected", []string{when(fixed, "10"), when(affected, "11")}, Affected},
		{"earlier affected", []string{when(affected, "10"), when(fixed, "11")}, Fixed},
		{"later unsure", []string{when(fixed, "10"), when(unsure, "11")}, UnderInvestigation},
		{"at once", []string{when(affected, "10"), when(fixed, "10")}, Affected},
		{"at once, the other way round", []string{when(fixed, "10"), when(affected, "10")}, Affected},
		{"the document's own time", []string{when(affected, "19"), `{` + fixed + `}`}, Fixed},
		{"the document's own time is earlier", []string{when(affected, "21"), `{` + fixed + `}`}, Affected},
		{"updated since", []string{when(affected, "12"), `{` + fixed + `,"timestamp":"2026-11-01T00:00:00Z","last_updated":"2026-11-13T00:00:00Z"}`}, Fixed},
	} {
		var apart []VEX
		for _, s := range c.statements {
			apart = append(apart, vexDoc(t, s))
		}
		together := apart
		if len(c.statements) > 0 {
			together = []VEX{vexDoc(t, strings.Join(c.statements, ","))}
		}
		for _, documents := range [][]VEX{apart, together} {
			if got := apply(curl, documents, subject); got.Status != c.want || got.suppressed() != (c.want == Fixed) {
				t.Errorf("%s: %s", c.why, got.Status)
			}
		}
	}
}

func TestVEXStaysVisible(t *testing.T) {
	v, err := Judge(policy("critical"), Known{Reports: []Report{read(t, "trivy.json")}, VEX: []VEX{notCurl(t)}}, subject, now)
	if err != nil {
		t.Fatal(err)
	}
	if f := v.All[0]; f.ID != "CVE-2099-0001" || f.Status != NotAffected || f.VEX != "acme.vex.json: vulnerable_code_not_in_execute_path" || v.Summary.Suppressed != 1 || v.Summary.Critical != 0 {
		t.Errorf("%+v, %+v", f, v.Summary)
	}
}

func TestVEXFromTheFuture(t *testing.T) {
	doc := vexDoc(t, `{"vulnerability":{"name":"CVE-2099-0001"},"products":[{"@id":"pkg:deb/debian/curl"}],"status":"fixed","timestamp":"2027-01-01T00:00:00Z"}`)
	if _, err := Judge(policy("high"), Known{Reports: []Report{read(t, "trivy.json")}, VEX: []VEX{doc}}, subject, now); err == nil || errors.Is(err, ErrBlocked) || !strings.Contains(err.Error(), "from the future") {
		t.Errorf("%v", err)
	}
}

func TestParseVEXRefuses(t *testing.T) {
	const product = `"products":[{"@id":"pkg:deb/debian/curl"}]`
	doc := func(context, statements string) string {
		return `{"@context":"` + context + `","timestamp":"2026-11-20T00:00:00Z","statements":` + statements + `}`
	}
	const context = "https://openvex.dev/ns/v0.2.0"
	for _, c := range []struct{ why, doc, want string }{
		{"nothing", "", "not OpenVEX"},
		{"null", "null", "@context"},
		{"another format", `{"bomFormat":"CycloneDX"}`, "@context"},
		{"another version", doc("https://openvex.dev/ns", `[]`), "@context"},
		{"a look-alike", doc("https://openvex.dev/nsv0.2.0", `[]`), "@context"},
		{"two statuses", doc(context, `[{"vulnerability":{"name":"a"},`+product+`,"status":"affected","status":"fixed"}]`), `"status" twice`},
		{"no statements", doc(context, `[]`), "no statements"},
		{"a string for a list", doc(context, `"x"`), "not OpenVEX"},
		{"no status", doc(context, `[{"vulnerability":{"name":"a"},`+product+`}]`), "invalid status"},
		{"another status", doc(context, `[{"vulnerability":{"name":"a"},`+product+`,"status":"fine"}]`), "invalid status"},
		{"no reason", doc(context, `[{"vulnerability":{"name":"a"},`+product+`,"status":"not_affected"}]`), "justification or impact"},
		{"another reason", doc(context, `[{"vulnerability":{"name":"a"},`+product+`,"status":"not_affected","justification":"trust_me"}]`), "invalid justification"},
		{"no vulnerability", doc(context, `[{`+product+`,"status":"fixed"}]`), "no vulnerability"},
		{"no products", doc(context, `[{"vulnerability":{"name":"a"},"status":"fixed"}]`), "no products"},
		{"no time", strings.Replace(doc(context, `[{"vulnerability":{"name":"a"},`+product+`,"status":"fixed"}]`), "timestamp", "x", 1), "no timestamp"},
		{"the second is bad", doc(context, `[{"vulnerability":{"name":"a"},`+product+`,"status":"fixed"},{}]`), "statement 2"},
		{"unprintable", doc(context, `[{"vulnerability":{"name":"a"},`+product+`,"status":"\u001b[31m\u202e"}]`), "invalid status"},
	} {
		_, err := ParseVEX("a.json", []byte(c.doc))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "VEX document a.json: ") || text(err.Error(), 1<<20) != err.Error() {
			t.Errorf("%s: %v, want %q", c.why, err, c.want)
		} else if problem.HintOf(err) == "" {
			t.Errorf("%s: no hint", c.why)
		}
	}
}

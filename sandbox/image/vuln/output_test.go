package vuln

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write testdata/golden")

// golden is the verdict on the real Grype report, with one finding taken
// back.
func golden(t testing.TB) Verdict {
	t.Helper()
	v, _ := Judge(policy("high"), Known{Reports: []Report{read(t, "grype.json")}, VEX: []VEX{notCurl(t)}}, subject, now)
	if len(v.All) != 3 {
		t.Fatal("no verdict")
	}
	return v
}

func TestOutput(t *testing.T) {
	v := golden(t)
	for called, write := range map[string]func(*bytes.Buffer) error{
		"table.txt":     func(b *bytes.Buffer) error { return Table(b, v) },
		"verdict.json":  func(b *bytes.Buffer) error { return JSON(b, v) },
		"verdict.sarif": func(b *bytes.Buffer) error { return SARIF(v, "1.2.3", subject).Encode(b) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", "golden", called)
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), b.String()); d != "" {
			t.Errorf("%s (-want +got); -update writes it again:\n%s", called, d)
		}
	}
}

func TestVerdictSurvivesJSON(t *testing.T) {
	want := golden(t)
	var b bytes.Buffer
	if err := JSON(&b, want); err != nil {
		t.Fatal(err)
	}
	var got Verdict
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if err := json.Unmarshal([]byte(`{"block":"worst"}`), &got); err == nil {
		t.Error("a severity of no name was read")
	}
}

func TestAnEmptyVerdictHasLists(t *testing.T) {
	r := read(t, "grype.json")
	r.Findings = nil
	v, err := Judge(policy("high"), Known{Reports: []Report{r}}, subject, now)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := JSON(&b, v); err != nil || strings.Contains(b.String(), "null") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// TestNothingUnprintable: text from a report, a VEX document or a name reaches
// no output with what a terminal would obey.
func TestNothingUnprintable(t *testing.T) {
	const bad = `\u001b[2J\u0007\u202e\u0085\n\r\t`
	trivy := string(file(t, "trivy.json"))
	for _, old := range []string{`"CVE-2099-0001"`, `"curl"`, `"7.88.1-10"`, `"7.89.0-1"`, `"curl: a hole made for tests"`, `"https://avd.aquasec.com/nvd/cve-2099-0001"`, `"debian"`, `"0.70.0"`} {
		trivy = strings.ReplaceAll(trivy, old, old[:len(old)-1]+bad+`x"`)
	}
	r, err := Read([]byte(trivy))
	if err != nil {
		t.Fatal(err)
	}
	doc := vexDoc(t, `{"vulnerability":{"name":"CVE-2099-0002"},"products":[{"@id":"pkg:deb/debian/bash"}],"status":"not_affected","impact_statement":"`+bad+`"}`)
	s := subject
	s.Name = "app\x1b[2J\u202e\n"
	v, err := Judge(policy("high"), Known{Reports: []Report{r}, VEX: []VEX{doc}}, s, now)
	if err == nil {
		t.Fatal("not blocked")
	}
	var b bytes.Buffer
	if e := Table(&b, v); e != nil {
		t.Fatal(e)
	}
	if e := JSON(&b, v); e != nil {
		t.Fatal(e)
	}
	if e := SARIF(v, "1", s).Encode(&b); e != nil {
		t.Fatal(e)
	}
	b.WriteString(v.hint())
	for _, c := range b.String() {
		if !unicode.IsPrint(c) && c != '\n' && c != '\t' {
			t.Fatalf("%q reached the output", c)
		}
	}
	if strings.ContainsFunc(err.Error(), func(c rune) bool { return !unicode.IsPrint(c) }) {
		t.Errorf("%q", err)
	}
	if !strings.Contains(b.String(), "CVE-2099-0001?[2J") {
		t.Error("the finding is not shown")
	}
	if rows := strings.Count(table(t, v), "\n"); rows != 1+len(v.All) {
		t.Errorf("%d lines for %d findings", rows, len(v.All))
	}
}

func table(t *testing.T, v Verdict) string {
	t.Helper()
	var b bytes.Buffer
	if err := Table(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestSARIFIsValid: by the official schema.
func TestSARIFIsValid(t *testing.T) {
	s, err := jsonschema.NewCompiler().Compile("../../../spec/sarif/testdata/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := SARIF(golden(t), "1.2.3", subject).Encode(&b); err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(doc); err != nil {
		t.Error(err)
	}
}

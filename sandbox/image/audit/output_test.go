package audit

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/safe-run/safe-run/sandbox/image/imagetest"
)

// messy is an image with a finding of many kinds and names that no terminal
// should see.
func messy() Input {
	in := image(v1.Config{User: "root", Env: []string{"DB_PASSWORD=hunter2", "PATH=\x1b[31m"}, Volumes: map[string]struct{}{"/etc": {}}},
		imagetest.Files{"etc/shadow": {Content: "root::\n"}, "bin/su": {Mode: fs.ModeSetuid | 0o755}, "bin/sh": {Mode: 0o755}},
		imagetest.Files{"bad\x1b[2J\u202ename": {Mode: 0o666}, "k": {Content: pem("")}, "bin/blob": {Content: "\x00\x01"}})
	in.Config.History = []v1.History{
		{CreatedBy: "ADD rootfs.tar /"}, {CreatedBy: "RUN |1 API_TOKEN=hunter2 /bin/sh -c make\x1b[2J\nall"},
	}
	return in
}

func TestOutputs(t *testing.T) {
	in := messy()
	found := audit(t, in)
	for name, write := range map[string]func(*bytes.Buffer) error{
		"table": func(b *bytes.Buffer) error { return Table(b, found) },
		"json":  func(b *bytes.Buffer) error { return JSON(b, in.Reference, found) },
		"sarif": func(b *bytes.Buffer) error { return SARIF(b, in.Reference, "1.0", found) },
	} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if !strings.Contains(out.String(), f.ID) || !strings.Contains(out.String(), f.Title) {
				t.Errorf("%s has no %s", name, f.ID)
			}
		}
		for _, never := range []string{"\x1b", `\u001b`, "\u202e", "hunter2", body[:20]} {
			if strings.Contains(out.String(), never) {
				t.Errorf("%s has %q:\n%s", name, never, out.String())
			}
		}
	}
}

func TestJSONReadsBack(t *testing.T) {
	found := audit(t, messy())
	var out bytes.Buffer
	if err := JSON(&out, "app", found); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Reference string
		Worst     Severity
		Findings  []Finding
	}
	if err := json.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.Worst != Critical || back.Reference != "app" || !slices.Equal(back.Findings, found) {
		t.Errorf("read back %+v", back)
	}
	out.Reset()
	if err := JSON(&out, "app", nil); err != nil || !strings.Contains(out.String(), `"findings": []`) {
		t.Errorf("without findings: %s, %v", out.String(), err)
	}
}

func TestSARIFIsValid(t *testing.T) {
	f, err := os.Open("../../../spec/sarif/testdata/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("sarif.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range [][]Finding{nil, audit(t, messy())} {
		var out bytes.Buffer
		if err := SARIF(&out, "app", "1.0", found); err != nil {
			t.Fatal(err)
		}
		got, err := jsonschema.UnmarshalJSON(&out)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(got); err != nil {
			t.Error(err)
		}
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	if err := Table(&out, nil); err != nil || out.Len() > 0 {
		t.Errorf("without findings: %q, %v", out.String(), err)
	}
	found := audit(t, image(v1.Config{User: "root"}))
	if err := Table(&out, found); err != nil {
		t.Fatal(err)
	}
	want := `SEVERITY  ID          CIS  FINDING       WHERE
high      SR-IMG-001  4.1  runs as root  config.User
    the user "root" is root
    mend: ` + ruleOf("SR-IMG-001").Mend + "\n"
	if out.String() != want {
		t.Errorf("the table is\n%swant\n%s", out.String(), want)
	}
}

func TestWorst(t *testing.T) {
	if got := Worst(nil); got != None {
		t.Errorf("of nothing: %v", got)
	}
	if got := Worst([]Finding{{Severity: Low}, {Severity: High}, {Severity: Info}}); got != High {
		t.Errorf("worst %v, want high", got)
	}
	for _, name := range []string{"none", "info", "low", "medium", "high", "critical"} {
		s, err := ParseSeverity(strings.ToUpper(name))
		if err != nil || s.String() != name {
			t.Errorf("%s is read as %v, %v", name, s, err)
		}
	}
	if _, err := ParseSeverity("awful"); err == nil {
		t.Error("awful was taken for a severity")
	}
}

// TestRules: what is documented is whole, and in order.
func TestRules(t *testing.T) {
	id := regexp.MustCompile(`^SR-IMG-\d{3}$`)
	cis := regexp.MustCompile(`^(4\.([1-9]|1[0-2]))?$`)
	for i, r := range Rules {
		if !id.MatchString(r.ID) || !cis.MatchString(r.CIS) || r.Title == "" || r.Mend == "" || r.Severity == None {
			t.Errorf("rule %+v", r)
		}
		if i > 0 && Rules[i-1].ID >= r.ID {
			t.Errorf("%s comes after %s", r.ID, Rules[i-1].ID)
		}
	}
}

func TestSameFindingsEachTime(t *testing.T) {
	first := audit(t, messy())
	if !slices.IsSortedFunc(first, func(a, b Finding) int { return int(b.Severity - a.Severity) }) {
		t.Error("the worst is not first")
	}
	for range 20 {
		if again := audit(t, messy()); !slices.Equal(first, again) {
			t.Fatalf("found %v, then %v", short(first), short(again))
		}
	}
}

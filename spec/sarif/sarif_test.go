package sarif

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

// schema is the official schema of SARIF 2.1.0.
func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	f, err := os.Open("testdata/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(schemaURI, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(schemaURI)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func encode(t testing.TB, l Log) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := l.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func validate(s *jsonschema.Schema, b []byte) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

func sample() *Run {
	r := New("safe-run-image", "1.2.3")
	r.URL = "https://example.org/safe-run"
	r.Properties = map[string]string{"imageDigest": "sha256:" + strings.Repeat("a", 64)}
	r.Rule(Rule{ID: "CVE-2099-0001", Summary: "a hole", Help: "update", URL: "https://example.org/1", Level: Error, Score: 9.8, Tags: []string{"security", "security"}})
	r.Result(Result{Rule: "CVE-2099-0001", Message: "curl 7.88 has CVE-2099-0001", URI: "app:1.0", Logical: "curl@7.88", Properties: map[string]string{"fixedIn": "7.89"}})
	r.Result(Result{Rule: "CVE-2099-0002", Level: Note, Message: "bash", URI: "pkg:oci/app@sha256:" + strings.Repeat("a", 64), Suppressed: "not_affected"})
	return r
}

func TestEncodeIsValid(t *testing.T) {
	s := schema(t)
	for name, l := range map[string]Log{
		"no run":         {},
		"an empty run":   {New("tool", "")},
		"nameless":       {New("", "")},
		"findings":       {sample()},
		"two runs":       {sample(), New("audit", "1")},
		"empty findings": {func() *Run { r := New("t", "1"); r.Rule(Rule{}); r.Result(Result{}); return r }()},
	} {
		if b := encode(t, l); validate(s, b) != nil {
			t.Errorf("%s: %v\n%s", name, validate(s, b), b)
		}
	}
	if validate(s, []byte(`{"version":"2.1.0","runs":[{"tool":{"driver":{}}}]}`)) == nil {
		t.Error("the schema takes a tool without a name: it checks nothing")
	}
}

func TestEncode(t *testing.T) {
	var got map[string]any
	if err := json.Unmarshal(encode(t, Log{sample()}), &got); err != nil {
		t.Fatal(err)
	}
	run := got["runs"].([]any)[0].(map[string]any)
	rules := run["tool"].(map[string]any)["driver"].(map[string]any)["rules"].([]any)
	want := []any{
		map[string]any{
			"id": "CVE-2099-0001", "shortDescription": map[string]any{"text": "a hole"}, "help": map[string]any{"text": "update"},
			"helpUri": "https://example.org/1", "defaultConfiguration": map[string]any{"level": "error"},
			"properties": map[string]any{"security-severity": "9.8", "tags": []any{"security"}},
		},
		map[string]any{
			"id": "CVE-2099-0002", "shortDescription": map[string]any{"text": "CVE-2099-0002"},
			"defaultConfiguration": map[string]any{"level": "note"},
		},
	}
	if d := cmp.Diff(want, rules); d != "" {
		t.Errorf("rules (-want +got):\n%s", d)
	}
	first := run["results"].([]any)[0].(map[string]any)
	if first["level"] != "error" || first["ruleIndex"] != 0.0 {
		t.Errorf("a result without a level has level %v, rule index %v", first["level"], first["ruleIndex"])
	}
	uri := first["locations"].([]any)[0].(map[string]any)["physicalLocation"].(map[string]any)["artifactLocation"].(map[string]any)["uri"]
	if uri != "./app:1.0" {
		t.Errorf("a name with a colon became the URI %v", uri)
	}
	second := run["results"].([]any)[1].(map[string]any)
	if d := cmp.Diff([]any{map[string]any{"kind": "external", "justification": "not_affected"}}, second["suppressions"]); d != "" {
		t.Errorf("suppressions (-want +got):\n%s", d)
	}
}

func TestOrderDoesNotMatter(t *testing.T) {
	results := []Result{
		{Rule: "b", Message: "1", URI: "x"}, {Rule: "a", Message: "2", URI: "y"}, {Rule: "a", Message: "2", URI: "x"},
		{Rule: "a", Message: "1", URI: "x", Logical: "l"}, {Rule: "c", Message: "1"},
	}
	var want []byte
	for range 20 {
		rand.Shuffle(len(results), func(i, j int) { results[i], results[j] = results[j], results[i] })
		r := New("t", "1")
		for _, result := range results {
			r.Result(result)
		}
		got := encode(t, Log{r})
		if want == nil {
			want = got
		}
		if !bytes.Equal(want, got) {
			t.Fatalf("two orders, two files:\n%s\n%s", want, got)
		}
	}
}

func TestURIs(t *testing.T) {
	for in, want := range map[string]string{
		"https://example.org/a?b=c": "https://example.org/a?b=c",
		"javascript:alert(1)":       "", "//example.org": "", "https://": "", "https://u:p@example.org": "",
		"https://example.org/\x1b[31m": "", "ftp://example.org": "", "": "",
	} {
		if got := webURI(in); got != want {
			t.Errorf("webURI(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"/etc/shadow": "etc/shadow", "a b": "a%20b", "//host/x": "host/x", "pkg:deb/debian/curl@7.88": "pkg:deb/debian/curl@7.88",
		"file:///x": "file:///x", "http://x": "./http://x", "": "",
	} {
		if got := reference(in); got != want {
			t.Errorf("reference(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestAnythingIsValid: whatever the texts are, the file is valid and nothing
// in it is unprintable.
func TestAnythingIsValid(t *testing.T) {
	s := schema(t)
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "\x1b[31m", "\u202e", "\xff", "pkg:%zz", "https://[", "a:b", "%"}))
	rapid.Check(t, func(t *rapid.T) {
		r := New(text.Draw(t, "tool"), text.Draw(t, "version"))
		r.URL = text.Draw(t, "url")
		r.Properties = map[string]string{text.Draw(t, "key"): text.Draw(t, "value")}
		r.Rule(Rule{ID: text.Draw(t, "id"), Name: text.Draw(t, "name"), Summary: text.Draw(t, "summary"), Help: text.Draw(t, "help"),
			URL: text.Draw(t, "rule url"), Level: Level(text.Draw(t, "level")), Score: rapid.Float64().Draw(t, "score"), Tags: []string{text.Draw(t, "tag"), text.Draw(t, "tag")}})
		r.Result(Result{Rule: text.Draw(t, "id"), Level: Level(text.Draw(t, "level")), Message: text.Draw(t, "message"), URI: text.Draw(t, "uri"),
			Logical: text.Draw(t, "logical"), Fingerprint: text.Draw(t, "fingerprint"), Suppressed: text.Draw(t, "suppressed")})
		var b bytes.Buffer
		if err := r.Encode(&b); err != nil {
			t.Fatal(err)
		}
		if err := validate(s, b.Bytes()); err != nil {
			t.Fatalf("%v\n%s", err, b.Bytes())
		}
		for _, c := range b.String() {
			if !unicode.IsPrint(c) && c != '\n' && c != '\t' {
				t.Fatalf("%q in the file", c)
			}
		}
	})
}

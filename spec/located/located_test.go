package located

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/safe-run/safe-run/spec/problem"
)

func TestPlaces(t *testing.T) {
	docs, err := YAML([]byte("a: 1\nb:\n  - c: {d: yes}\n  - \"no\"\n---\n---\n<<: {x: 1, y: 2}\nx: 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(docs) != 2 {
		t.Fatalf("%d documents, want 2: the empty one is left out", len(docs))
	}
	if got := string(docs[0].JSON); got != `{"a":1,"b":[{"c":{"d":true}},"no"]}` {
		t.Error(got)
	}
	if got := string(docs[1].JSON); got != `{"x":3,"y":2}` {
		t.Error(got)
	}
	for path, want := range map[string]Position{"a": {1, 1}, "b[0].c.d": {3, 9}, "b[1]": {4, 5}, "b[1].x.y": {4, 5}, "nowhere": {1, 1}} {
		if d := cmp.Diff(want, docs[0].Where(path)); d != "" {
			t.Errorf("%s (-want +got):\n%s", path, d)
		}
	}
	doc, err := JSON([]byte("{\n\t\"a\": [1,\n\t\t{\"b\": true}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]Position{"": {1, 1}, "a": {2, 2}, "a[0]": {2, 8}, "a[1].b": {3, 4}} {
		if d := cmp.Diff(want, doc.Where(path)); d != "" {
			t.Errorf("%s (-want +got):\n%s", path, d)
		}
	}
}

// bomb is a billion laughs.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 12; i++ {
		n, m := string(rune('a'+i)), string(rune('a'+i-1))
		if i == 1 {
			m = "a0"
		}
		b.WriteString(n + ": &" + n + " [" + strings.TrimSuffix(strings.Repeat("*"+m+",", 10), ",") + "]\n")
	}
	return b.String()
}

func TestRefused(t *testing.T) {
	for name, test := range map[string]struct{ in, says, hint string }{
		"twice":             {"a: 1\na: 2\n", "line 2", "leave one"},
		"bomb":              {bomb(), "values", "split"},
		"deep":              {strings.Repeat("[", 100) + strings.Repeat("]", 100), "nested", ""},
		"cycle":             {"a: &a [*a]\n", "", ""},
		"template":          {"image: {{ .Values.image }}\n", "template", "helm template"},
		"template, no YAML": {"{{- if .Values.x }}\na: 1\n{{- end }}\n", "template", "helm template"},
		"no YAML":           {"a: [\n", "not YAML", ""},
		"nan":               {"a: .nan\n", "line 1", ""},
		"large":             {strings.Repeat("#", MaxSize+1), "larger", "split"},
		"many":              {strings.Repeat("a: 1\n---\n", maxDocuments+1), "documents", "split"},
	} {
		_, err := YAML([]byte(test.in))
		if err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(problem.HintOf(err), test.hint) {
			t.Errorf("%s: %v (hint %q)", name, err, problem.HintOf(err))
		}
	}
	for name, in := range map[string]string{
		"twice": `{"a":1,"a":2}`, "more": `{} {}`, "deep": strings.Repeat("[", 100) + strings.Repeat("]", 100), "empty": "", "cut": `{"a":`, "words": "hello", "trailing": `{"a":1}x`,
	} {
		if _, err := JSON([]byte(in)); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

func FuzzYAML(f *testing.F) {
	for _, seed := range []string{"a: 1\n", "a: &x [1]\nb: *x\n", bomb(), "<<: *a\n", "{{ x }}", "? [a]\n: b", "a: !!binary aGk=\n", "- 0x1F\n- 1e3\n- 2001-01-01\n", "\ufeff{}", `{"a":{"b":[1,2]}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, err := YAML(data)
		if err != nil {
			return
		}
		for _, d := range docs {
			if !json.Valid(d.JSON) {
				t.Errorf("%q became %q", data, d.JSON)
			}
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{"{}", "[1,2]", `{"a":{"b":[1,"\u0000"]}}`, `{"a":1,"a":2}`, "\n\n\t{\"x\" : 1}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := JSON(data)
		if err == nil && !json.Valid(d.JSON) {
			t.Errorf("%q is not JSON", data)
		}
	})
}

package cli

import (
	"strings"
	"testing"

	"github.com/safe-run/safe-run/spec/problem"
)

type templateRow struct {
	ID    string `json:"Id" head:"THE ID"`
	Name  string
	Count int
	Deep  struct{ Pid int }
}

func TestTemplates(t *testing.T) {
	rows := []templateRow{{ID: "1", Name: "one", Count: 1500000}, {ID: "2", Name: "two\x1b[31m\u202e"}}
	rows[0].Deep.Pid = 1500000
	for f, want := range map[string]string{
		"{{.ID}}":                        "1\n2\n",
		"{{.Id}} {{.Deep.Pid}}":          "1 1500000\n2 0\n", // JSON's name
		"{{.Name}}":                      "one\n" + `two\x1b[31m\u202e` + "\n",
		"{{json .Deep}}":                 "{\"Pid\":1500000}\n{\"Pid\":0}\n",
		`{{upper .ID}}{{"\t"}}x`:         "1\tx\n2\tx\n",
		`table {{.ID}}\t{{.Count}}`:      "THE ID    COUNT\n1         1500000\n2         0\n",
		"{{if .Count}}{{.Count}}{{end}}": "1500000\n\n",
		`{{truncate .Name 2}}`:           "on\ntw\n",
	} {
		var out strings.Builder
		if err := writeTemplate(&out, format(f), rows); err != nil || out.String() != want {
			t.Errorf("%s: %q, %v; want %q", f, out.String(), err, want)
		}
	}
	for f, want := range map[string]string{
		"{{.Nope}}":       "can't evaluate field Nope",
		"{{.ID":           "unclosed action",
		"{{nope .ID}}":    `function "nope" not defined`,
		"{{index .ID 7}}": "index out of range",
	} {
		var out strings.Builder
		err := writeTemplate(&out, format(f), rows)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || problem.HintOf(err) == "" || out.Len() != 0 {
			t.Errorf("%s: %v (hint %q), wrote %q", f, err, problem.HintOf(err), out.String())
		}
	}
}

func TestIsTemplate(t *testing.T) {
	for f, want := range map[format]bool{"table": false, "json": false, "{{.ID}}": true, "table {{.ID}}": true, "yaml": false} {
		if f.isTemplate() != want {
			t.Errorf("%q: %v", f, !want)
		}
	}
}

// FuzzTemplate: a template from outside may be wrong in any way, and never more
// than that.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"{{.ID}}", "table {{.Name}}\\t{{json .}}", "{{range .}}", "{{.Deep.Pid.X}}", "{{template \"x\"}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "range") || strings.Contains(text, "template") || len(text) > 200 {
			t.Skip("may run for ever, which is whoever types it to stop")
		}
		var out strings.Builder
		err := writeTemplate(&out, format(text), []templateRow{{ID: "1", Name: "\x1b"}})
		if err == nil && strings.ContainsRune(out.String(), '\x1b') {
			t.Errorf("%q lets an escape sequence through", text)
		}
	})
}

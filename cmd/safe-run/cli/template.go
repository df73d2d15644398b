package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/safe-run/safe-run/spec/problem"
)

// A format may be a Go template, as docker has it: one line for each row, or
// "table " and a template, for columns under a head.

// templatesKey marks the verbs that can do so.
const templatesKey = "safe-run-templates"

// formatsKey lists the formats that a verb has of its own.
const formatsKey = "safe-run-formats"

// templates is the annotation.
var templates = map[string]string{templatesKey: "yes"}

const tablePrefix = "table "

// isTemplate says whether a format is a template.
func (f format) isTemplate() bool {
	return strings.Contains(string(f), "{{") || strings.HasPrefix(string(f), tablePrefix)
}

// formatFor gives the --format of a verb.
func formatFor(cmd *cobra.Command) (format, error) {
	text, err := cmd.Flags().GetString("format")
	if f := format(text); err == nil && f.isTemplate() {
		if cmd.Annotations[templatesKey] == "" {
			return "", problem.New("write --format json or --format table; ps, inspect and stats have templates", "%s has no templates", cmd.Name())
		}
		_, err := f.parse()
		return f, err
	}
	if more := strings.Fields(cmd.Annotations[formatsKey]); err == nil && slices.Contains(more, text) {
		return format(text), nil
	}
	return formatOf(cmd.Flags())
}

// parse reads the template without the word table.
func (f format) parse() (*template.Template, error) {
	text := strings.TrimPrefix(string(f), tablePrefix)
	// A shell hands \t over as two characters.
	text = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(text)
	t, err := template.New("").Funcs(templateFuncs).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, problem.New("for example --format '{{.ID}} {{json .}}'", "--format: %s", templateMessage(err))
	}
	return t, nil
}

// templateFuncs are docker's.
var templateFuncs = template.FuncMap{
	"json": func(v any) (string, error) {
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		err := enc.Encode(v)
		return strings.TrimSuffix(text.String(), "\n"), err
	},
	"join":     strings.Join,
	"split":    strings.Split,
	"lower":    strings.ToLower,
	"upper":    strings.ToUpper,
	"truncate": func(text string, n int) string { return string([]rune(text)[:min(max(n, 0), len([]rune(text)))]) },
}

// templateMessage is the part of a template's error that means something to
// whoever wrote it.
func templateMessage(err error) string {
	text := err.Error()
	for _, noise := range []string{"template: ", `executing "" at `} {
		if _, after, found := strings.Cut(text, noise); found {
			text = after
		}
	}
	text = strings.TrimLeft(text, ":0123456789 ")
	if before, _, found := strings.Cut(text, " in type "); found {
		text = before
	}
	return text
}

// writeTemplate writes each row through the template. What rows hold comes from
// strangers, too, and nothing of it may move the cursor.
func writeTemplate[T any](w io.Writer, f format, rows []T) error {
	t, err := f.parse()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	var to io.Writer = &text
	if strings.HasPrefix(string(f), tablePrefix) {
		columns := tabwriter.NewWriter(&text, 10, 1, 3, ' ', 0)
		to = columns
		if err := t.Execute(to, headsOf[T]()); err != nil {
			return templateError[T](err)
		}
		_, _ = io.WriteString(to, "\n")
	}
	for _, row := range rows {
		if err := executeRow(to, t, row); err != nil {
			return templateError[T](err)
		}
		_, _ = io.WriteString(to, "\n")
	}
	if columns, is := to.(*tabwriter.Writer); is {
		if err := columns.Flush(); err != nil {
			return err
		}
	}
	_, err = io.WriteString(w, printableLines(text.String()))
	return err
}

// executeRow tries the row as it is, and then as its JSON, whose names are not
// always those of Go.
func executeRow(w io.Writer, t *template.Template, row any) error {
	var text bytes.Buffer
	err := t.Execute(&text, row)
	if err != nil {
		data, noJSON := json.Marshal(row)
		var fields any
		numbers := json.NewDecoder(bytes.NewReader(data))
		numbers.UseNumber() // not 1.5e+06
		if noJSON == nil && numbers.Decode(&fields) == nil {
			text.Reset()
			if t.Execute(&text, fields) == nil {
				err = nil
			}
		}
	}
	if err != nil {
		return err
	}
	_, err = w.Write(text.Bytes())
	return err
}

// headsOf are the heads of columns: the fields' names in capitals, or what their
// tag says.
func headsOf[T any]() map[string]string {
	heads := map[string]string{}
	t := reflect.TypeFor[T]()
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		head := f.Tag.Get("head")
		if head == "" {
			head = strings.ToUpper(f.Name)
		}
		heads[f.Name] = head
	}
	return heads
}

// templateError explains a template that does not fit the rows.
func templateError[T any](err error) error {
	var exec template.ExecError
	if !errors.As(err, &exec) {
		return err // of the writer
	}
	var names []string
	t := reflect.TypeFor[T]()
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			names = append(names, "."+f.Name)
		}
	}
	return problem.New("there are "+strings.Join(names, " "), "--format: %s", templateMessage(err))
}

// printableLines is printable for text of several lines.
func printableLines(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		body, end := strings.CutSuffix(line, "\n")
		parts := strings.Split(body, "\t")
		for j := range parts {
			parts[j] = printable(parts[j])
		}
		if lines[i] = strings.Join(parts, "\t"); end {
			lines[i] += "\n"
		}
	}
	return strings.Join(lines, "")
}

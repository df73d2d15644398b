package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf16"

	"github.com/safe-run/safe-run/spec/problem"
)

// writeJSON prints v for programs: indented, with < > & left as they are.
func writeJSON(w io.Writer, v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(escapeJSON(text.Bytes()))
	return err
}

// escapeJSON escapes what a terminal acts on and JSON leaves alone, the control
// characters above ASCII among it: U+009B is to some what ESC [ is. Outside of
// strings JSON has none of them.
func escapeJSON(text []byte) []byte {
	if bytes.IndexFunc(text, unsafeInJSON) < 0 {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		if !unsafeInJSON(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.Bytes()
}

// unsafeInJSON leaves out what JSON escapes itself, and lines and indentation.
func unsafeInJSON(r rune) bool { return r >= 0x7f && unsafeRune(r) }

// orEmpty makes a missing list [] in JSON, not null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// failure is an error in JSON.
type failure struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

func failures(err error) []failure {
	all := []failure{}
	for _, one := range flatten(err) {
		all = append(all, failure{one.Error(), problem.HintOf(one)})
	}
	return all
}

// reportJSON prints each error as one line of JSON.
func reportJSON(w io.Writer, err error) {
	for _, f := range failures(err) {
		if text, err := json.Marshal(f); err == nil {
			_, _ = w.Write(append(escapeJSON(text), '\n'))
		}
	}
}

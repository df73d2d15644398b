// Package located reads YAML and JSON of strangers into JSON, and remembers where
// everything was written, so that a finding can say the line. It is strict: no
// member twice, no endless nesting, no aliases that grow beyond a bound.
package located

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/safe-run/safe-run/spec/problem"
)

// The bounds of one input.
const (
	MaxSize      = 4 << 20
	maxNodes     = 200_000
	maxDepth     = 64
	maxDocuments = 500
)

// Position is a place in the input, from 1 on.
type Position struct{ Line, Column int }

// Document is one document: as JSON, and where its parts are. Paths are those of
// Kubernetes's messages: "spec.containers[0].image"; the whole is "".
type Document struct {
	JSON []byte
	At   map[string]Position
}

// Where gives the position of a path, or of the nearest part above it that there
// is.
func (d Document) Where(path string) Position {
	for {
		if p, ok := d.At[path]; ok {
			return p
		}
		if path == "" {
			return Position{}
		}
		path = above(path)
	}
}

// above is a path without its last part.
func above(path string) string {
	for i := len(path) - 1; i > 0; i-- {
		if path[i] == '.' || path[i] == '[' {
			return path[:i]
		}
	}
	return ""
}

func member(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func element(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// builder collects one document.
type builder struct {
	at    map[string]Position
	nodes int
}

// enter counts a node against the bounds.
func (b *builder) enter(path string, at Position, depth int) error {
	if b.nodes++; b.nodes > maxNodes {
		return problem.New("split it", "line %d: it has more than %d values, aliases counted as what they stand for", at.Line, maxNodes)
	}
	if depth > maxDepth {
		return problem.New("", "line %d: it is nested deeper than %d", at.Line, maxDepth)
	}
	if _, there := b.at[path]; !there {
		b.at[path] = at
	}
	return nil
}

func twice(name string, at Position) error {
	return problem.New("leave one of them out: readers differ in which they believe", "line %d: the member %q is there twice", at.Line, clip(name))
}

func clip(s string) string {
	const most = 60
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

func tooLarge(data []byte) error {
	if len(data) > MaxSize {
		return problem.New("split it", "it is larger than %d MiB", MaxSize>>20)
	}
	return nil
}

// JSON reads one JSON value.
func JSON(data []byte) (Document, error) {
	if err := tooLarge(data); err != nil {
		return Document{}, err
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	r := &jsonReader{builder: builder{at: map[string]Position{}}, data: data, d: json.NewDecoder(bytes.NewReader(data)), line: 1}
	r.d.UseNumber()
	if err := r.value("", 0); err != nil {
		return Document{}, err
	}
	at := r.here()
	if _, err := r.d.Token(); err == nil {
		return Document{}, problem.New("", "line %d: there is more after the end", at.Line)
	}
	if !json.Valid(data) {
		return Document{}, problem.New("", "line %d: it is not JSON", at.Line)
	}
	return Document{JSON: data, At: r.at}, nil
}

// jsonReader walks tokens; positions are where the token before ends, moved over
// white space.
type jsonReader struct {
	builder
	data         []byte
	d            *json.Decoder
	scanned      int
	line, column int
}

// here is the position of the next token.
func (r *jsonReader) here() Position {
	target := int(r.d.InputOffset())
	for target < len(r.data) && bytes.IndexByte([]byte(" \t\r\n,:"), r.data[target]) >= 0 {
		target++
	}
	for ; r.scanned < target; r.scanned++ {
		if r.data[r.scanned] == '\n' {
			r.line++
			r.column = 0
		} else {
			r.column++
		}
	}
	return Position{r.line, r.column + 1}
}

func (r *jsonReader) token(at Position) (json.Token, error) {
	token, err := r.d.Token()
	if err != nil {
		return nil, problem.New("", "line %d: it is not JSON: %w", at.Line, err)
	}
	return token, nil
}

func (r *jsonReader) value(path string, depth int) error {
	at := r.here()
	if err := r.enter(path, at, depth); err != nil {
		return err
	}
	token, err := r.token(at)
	if err != nil {
		return err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	names := map[string]bool{}
	for i := 0; r.d.More(); i++ {
		next := element(path, i)
		if delim == '{' {
			at := r.here()
			name, err := r.token(at)
			if err != nil {
				return err
			}
			text := fmt.Sprint(name)
			if names[text] {
				return twice(text, at)
			}
			names[text] = true
			next = member(path, text)
			r.at[next] = at
		}
		if err := r.value(next, depth+1); err != nil {
			return err
		}
	}
	_, err = r.token(r.here())
	return err
}

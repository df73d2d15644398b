// Package yamldoc reads YAML of others strictly: plain text, bounded, without
// templates, with a place for every mistake. Aliases and merge keys are written
// out, and counted while that is done.
package yamldoc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/safe-run/safe-run/profiles"
	"github.com/safe-run/safe-run/spec/problem"
)

// The bounds of a file: bytes, documents, and values once aliases are written
// out.
const (
	Most          = 4 << 20
	mostDocuments = 1000
	mostValues    = 200000
	mostDepth     = 100
)

// Value is a part of a document, with its place.
type Value struct {
	Node *yaml.Node
	name string
}

// Parse reads all documents of a file; empty ones are left out.
func Parse(name string, data []byte) ([]Value, error) {
	if err := plain(name, data); err != nil {
		return nil, err
	}
	var out []Value
	dec := yaml.NewDecoder(bytes.NewReader(data))
	budget := mostValues
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, syntax(name, data, err)
		}
		if len(doc.Content) == 0 || doc.Content[0].ShortTag() == "!!null" {
			continue
		}
		if len(out) == mostDocuments {
			return nil, problem.New("split it", "%s has more than %d documents", name, mostDocuments)
		}
		e := expander{name: name, left: &budget}
		node, err := e.expand(doc.Content[0], 0)
		if err != nil {
			return nil, err
		}
		out = append(out, Value{node, name})
	}
	if len(out) == 0 {
		return nil, problem.New("name a file that holds one", "%s:1:1: there is no document in it", name)
	}
	return out, nil
}

// plain refuses what is no text, and templates, with their place.
func plain(name string, data []byte) error {
	if len(data) > Most {
		return problem.New("split it", "%s is larger than %d MiB", name, Most>>20)
	}
	line, column := 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if (r == utf8.RuneError && size == 1) || (r < ' ' && r != '\n' && r != '\t' && r != '\r') || r == 0x7f {
			return problem.New("save the file as plain UTF-8 text", "%s:%d:%d: byte %#02x is not text", name, line, column, data[i])
		}
		if r == '{' && bytes.HasPrefix(data[i:], []byte("{{")) {
			return problem.New("render it first: helm template CHART > rendered.yaml", "%s:%d:%d: this is a template ({{) and no document yet", name, line, column)
		}
		i, column = i+size, column+1
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return nil
}

// syntax reports an error of the parser, which begins with the line where it
// knows it.
func syntax(name string, data []byte, err error) error {
	message, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		if number, text, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(number); err == nil {
				line, message = n, text
			}
		}
	}
	lines := bytes.Split(data, []byte("\n"))
	line = min(max(line, 1), len(lines))
	column := len(lines[line-1]) - len(bytes.TrimLeft(lines[line-1], " \t")) + 1
	return problem.New("check the indentation, and quote text that holds ': ' or ' #'", "%s:%d:%d: this is not YAML: %s", name, line, column, message)
}

// expander writes aliases out.
type expander struct {
	name string
	left *int
}

func (e *expander) expand(n *yaml.Node, depth int) (*yaml.Node, error) {
	if *e.left--; *e.left < 0 || depth > mostDepth {
		return nil, problem.New("write it without so many aliases", "%s:%d:%d: with its aliases written out the file has more than %d values, or is nested more than %d deep", e.name, n.Line, n.Column, mostValues, mostDepth)
	}
	if n.Kind == yaml.AliasNode {
		return e.expand(n.Alias, depth+1)
	}
	out := *n
	out.Content, out.Anchor = nil, ""
	for _, c := range n.Content {
		child, err := e.expand(c, depth+1)
		if err != nil {
			return nil, err
		}
		out.Content = append(out.Content, child)
	}
	if n.Kind == yaml.MappingNode {
		return &out, e.merge(&out)
	}
	return &out, nil
}

// merge puts what << names behind the mapping's own keys.
func (e *expander) merge(n *yaml.Node) error {
	var own, merged []*yaml.Node
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			return problem.New("write a name", "%s:%d:%d: a key must be a name", e.name, key.Line, key.Column)
		case key.ShortTag() == "!!merge" && value.Kind == yaml.MappingNode:
			merged = append(merged, value.Content...)
		case key.ShortTag() == "!!merge" && value.Kind == yaml.SequenceNode:
			for _, m := range value.Content {
				if m.Kind == yaml.MappingNode {
					merged = append(merged, m.Content...)
				}
			}
		case seen[key.Value]:
			hint := "keep one of the two"
			if key.Value == "apiVersion" || key.Value == "kind" {
				hint = "keep one of the two, or write a line --- between two manifests"
			}
			return problem.New(hint, "%s:%d:%d: %.60q is there twice", e.name, key.Line, key.Column, key.Value)
		default:
			seen[key.Value] = true
			own = append(own, key, value)
		}
	}
	for i := 0; i+1 < len(merged); i += 2 {
		if !seen[merged[i].Value] {
			seen[merged[i].Value] = true
			own = append(own, merged[i], merged[i+1])
		}
	}
	n.Content = own
	return nil
}

// Place is file:line:column.
func (v Value) Place() string { return fmt.Sprintf("%s:%d:%d", v.name, v.Node.Line, v.Node.Column) }

// Fail is a mistake at this place.
func (v Value) Fail(hint, format string, args ...any) error {
	return problem.New(hint, "%s: %w", v.Place(), fmt.Errorf(format, args...))
}

// Null says whether nothing is written there.
func (v Value) Null() bool { return v.Node == nil || v.Node.ShortTag() == "!!null" }

// Kind is what it is, in words.
func (v Value) Kind() string {
	switch v.Node.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

// Fields are what a mapping may have, with what reads each; nil for one that
// says nothing here.
type Fields map[string]func(Value) error

// Map reads a mapping. A key that is not among fields is an error, unless other
// takes it.
func (v Value) Map(fields Fields, other func(key, value Value) (bool, error)) error {
	if v.Null() {
		return nil
	}
	if v.Node.Kind != yaml.MappingNode {
		return v.Fail("write key: value", "%s where a map is meant", v.Kind())
	}
	for i := 0; i < len(v.Node.Content); i += 2 {
		key, value := Value{v.Node.Content[i], v.name}, Value{v.Node.Content[i+1], v.name}
		read, known := fields[key.Node.Value]
		if !known {
			taken := false
			if other != nil {
				var err error
				if taken, err = other(key, value); err != nil {
					return err
				}
			}
			if !taken {
				return key.Fail(near(key.Node.Value, fields), "unknown field %.60q", key.Node.Value)
			}
			continue
		}
		if read != nil && !value.Null() {
			if err := read(value); err != nil {
				return err
			}
		}
	}
	return nil
}

// near suggests a field.
func near(key string, fields Fields) string {
	var names []string
	for name := range fields {
		names = append(names, name)
		if strings.EqualFold(strings.NewReplacer("_", "", "-", "").Replace(name), strings.NewReplacer("_", "", "-", "").Replace(key)) {
			return "did you mean " + name + " ?"
		}
	}
	slices.Sort(names)
	if name := profiles.Nearest(key, names); name != "" {
		return "did you mean " + name + " ?"
	}
	if len(names) > 12 {
		return "remove it, or correct its name"
	}
	return "write one of: " + strings.Join(names, ", ")
}

// Get is the value of a key; a null one where it is not there.
func (v Value) Get(key string) Value {
	if v.Node.Kind == yaml.MappingNode {
		for i := 0; i < len(v.Node.Content); i += 2 {
			if v.Node.Content[i].Value == key {
				return Value{v.Node.Content[i+1], v.name}
			}
		}
	}
	return Value{&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: v.Node.Line, Column: v.Node.Column}, v.name}
}

// List reads a list.
func (v Value) List(each func(Value) error) error {
	if v.Null() {
		return nil
	}
	if v.Node.Kind != yaml.SequenceNode {
		return v.Fail("write a list: [a, b]", "%s where a list is meant", v.Kind())
	}
	for _, n := range v.Node.Content {
		if err := each(Value{n, v.name}); err != nil {
			return err
		}
	}
	return nil
}

// Text reads a scalar as it is written.
func (v Value) Text() (string, error) {
	if v.Node.Kind != yaml.ScalarNode {
		return "", v.Fail("write one value", "%s where a single value is meant", v.Kind())
	}
	if v.Null() {
		return "", nil
	}
	return v.Node.Value, nil
}

// Texts reads a list of texts.
func (v Value) Texts() (out []string, err error) {
	err = v.List(func(item Value) error {
		text, err := item.Text()
		out = append(out, text)
		return err
	})
	return out, err
}

// Bool reads true or false.
func (v Value) Bool() (bool, error) {
	if text, err := v.Text(); err != nil {
		return false, err
	} else if on, err := strconv.ParseBool(text); err == nil {
		return on, nil
	}
	return false, v.Fail("write true or false", "%.40q is neither true nor false", v.Node.Value)
}

// Int reads a whole number.
func (v Value) Int() (int64, error) {
	text, err := v.Text()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		return 0, v.Fail("write a whole number", "%.40q is not a whole number", text)
	}
	return n, nil
}

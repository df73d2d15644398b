package located

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/safe-run/safe-run/spec/problem"
)

// YAML reads a stream of YAML documents, or JSON, which is YAML. Empty documents
// are left out.
func YAML(data []byte) ([]Document, error) {
	if err := tooLarge(data); err != nil {
		return nil, err
	}
	if trimmed := bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff"))); len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(trimmed) {
		d, err := JSON(data)
		return []Document{d}, err
	}
	var out []Document
	b := &builder{} // nodes are counted over all documents
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, unreadable(data, err)
		}
		if len(node.Content) == 0 || node.Content[0].Tag == "!!null" {
			continue
		}
		if len(out) == maxDocuments {
			return nil, problem.New("split it", "it has more than %d documents", maxDocuments)
		}
		b.at = map[string]Position{}
		value, err := b.yaml(node.Content[0], "", 0)
		if err != nil {
			return nil, templated(data, err)
		}
		text, err := json.Marshal(value)
		if err != nil {
			return nil, problem.New("", "line %d: it cannot be written as JSON: %w", node.Line, err)
		}
		out = append(out, Document{JSON: text, At: b.at})
	}
}

func unreadable(data []byte, err error) error {
	return templated(data, problem.New("", "it is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: ")))
}

// templated says so when it is a template that was to be read.
func templated(data []byte, err error) error {
	if bytes.Contains(data, []byte("{{")) {
		return problem.New("render it first: helm template CHART | safe-run audit --k8s -", "it is a template, with {{ }} in it: %w", err)
	}
	return err
}

func (b *builder) yaml(n *yaml.Node, path string, depth int) (any, error) {
	at := Position{n.Line, n.Column}
	if err := b.enter(path, at, depth); err != nil {
		return nil, err
	}
	switch n.Kind {
	case yaml.AliasNode:
		return b.yaml(n.Alias, path, depth+1)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for i, child := range n.Content {
			value, err := b.yaml(child, element(path, i), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		return list, nil
	case yaml.MappingNode:
		return b.mapping(n, path, depth)
	case yaml.ScalarNode:
		return scalar(n)
	}
	return nil, problem.New("", "line %d: it is not a value", n.Line)
}

func (b *builder) mapping(n *yaml.Node, path string, depth int) (any, error) {
	out := map[string]any{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, child := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			return nil, problem.New("", "line %d: a member's name is a list or a mapping", key.Line)
		}
		if key.Tag == "!!merge" {
			merged = append(merged, child)
			continue
		}
		if _, there := out[key.Value]; there {
			return nil, twice(key.Value, Position{key.Line, key.Column})
		}
		next := member(path, key.Value)
		b.at[next] = Position{key.Line, key.Column}
		value, err := b.yaml(child, next, depth+1)
		if err != nil {
			return nil, err
		}
		out[key.Value] = value
	}
	for _, child := range merged {
		if err := b.merge(out, child, path, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// merge adds the members of "<<" that are not there.
func (b *builder) merge(out map[string]any, n *yaml.Node, path string, depth int) error {
	value, err := b.yaml(n, path, depth)
	if err != nil {
		return err
	}
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	for _, one := range list {
		members, ok := one.(map[string]any)
		if !ok {
			return problem.New("", "line %d: what is merged is no mapping", n.Line)
		}
		for name, v := range members {
			if _, there := out[name]; !there {
				out[name] = v
			}
		}
	}
	return nil
}

// yaml11 are the booleans that YAML 1.1 has and 1.2 has not. kubectl reads them
// as booleans, and "privileged: yes" must not be taken for a text.
var yaml11 = map[string]bool{"yes": true, "Yes": true, "YES": true, "on": true, "On": true, "ON": true, "no": false, "No": false, "NO": false, "off": false, "Off": false, "OFF": false}

var integer = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

func scalar(n *yaml.Node) (any, error) {
	if len(n.Value) > MaxSize {
		return nil, problem.New("", "line %d: a text is too long", n.Line)
	}
	switch n.Tag {
	case "!!null":
		return nil, nil
	case "!!bool", "!!int", "!!float":
		if n.Tag == "!!int" && integer.MatchString(n.Value) {
			return json.Number(n.Value), nil
		}
		var value any
		if err := n.Decode(&value); err != nil {
			return nil, problem.New("", "line %d: %.60q is not what its tag says", n.Line, n.Value)
		}
		if f, ok := value.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
			return nil, problem.New("", "line %d: %.20q is not a number of JSON", n.Line, n.Value)
		}
		return value, nil
	case "!!str":
		if truth, ok := yaml11[n.Value]; ok && n.Style == 0 {
			return truth, nil
		}
	}
	return n.Value, nil
}

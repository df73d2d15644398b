package kubernetes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/safe-run/safe-run/spec/problem"
)

// object is a mapping in the order that a person reads it in.
type object []member

// member is one key of an object, with a note for those who read it.
type member struct {
	key   string
	value any // object, list, string, bool, int64
	note  string
}

// list is a sequence.
type list []any

// noted is an element of a list with a note.
type noted struct {
	value any
	note  string
}

// chartValue is a value of a chart, by its name.
type chartValue string

// quantities is strings as a list.
func stringList[T ~string](all []T) list {
	out := list{}
	for _, s := range all {
		out = append(out, string(s))
	}
	return out
}

// with is o and a member at its end; a nil value adds none.
func (o object) with(key string, value any, notes ...string) object {
	switch v := value.(type) {
	case nil:
		return o
	case object:
		if v == nil {
			return o
		}
	case list:
		if v == nil {
			return o
		}
	}
	return append(slices.Clip(o), member{key, value, strings.Join(notes, "; ")})
}

// get finds a member; nil when there is none.
func (o object) get(key string) any {
	for _, m := range o {
		if m.key == key {
			return m.value
		}
	}
	return nil
}

// toYAML writes a document, with notes as comments.
func (o object) toYAML() ([]byte, error) {
	node, err := o.node()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	enc.CompactSeqIndent()
	if err := enc.Encode(node); err != nil {
		return nil, err
	}
	return out.Bytes(), enc.Close()
}

func (o object) node() (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, m := range o {
		key, err := scalar(m.key)
		if err != nil {
			return nil, err
		}
		value, err := nodeOf(m.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.key, err)
		}
		if m.note != "" {
			annotate(key, value, m.note)
		}
		n.Content = append(n.Content, key, value)
	}
	if len(o) == 0 {
		n.Style = yaml.FlowStyle
	}
	return n, nil
}

// annotate puts a note beside a scalar, and above what has several lines.
func annotate(key, value *yaml.Node, note string) {
	note = "# " + oneLine(note)
	if value.Kind == yaml.ScalarNode && value.Style != yaml.LiteralStyle || len(value.Content) == 0 {
		value.LineComment = note
		return
	}
	key.HeadComment = note
}

func nodeOf(value any) (*yaml.Node, error) {
	switch v := value.(type) {
	case object:
		return v.node()
	case list:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, one := range v {
			note := ""
			if with, ok := one.(noted); ok {
				one, note = with.value, with.note
			}
			child, err := nodeOf(one)
			if err != nil {
				return nil, err
			}
			if note != "" && child.Kind == yaml.ScalarNode {
				child.LineComment = "# " + oneLine(note)
			} else if note != "" {
				child.HeadComment = "# " + oneLine(note)
			}
			if child.Kind == yaml.MappingNode && len(child.Content) > 0 && child.Content[0].HeadComment != "" {
				child.HeadComment, child.Content[0].HeadComment = child.Content[0].HeadComment, "" // above the dash
			}
			n.Content = append(n.Content, child)
		}
		if len(v) == 0 {
			n.Style = yaml.FlowStyle
		}
		return n, nil
	}
	return scalar(value)
}

// bare is text that every reader of YAML 1.1 and 1.2 takes for text.
var bare = regexp.MustCompile(`^([A-Za-z/][A-Za-z0-9_./@-]*( [A-Za-z0-9_./@-]+)*|[0-9]+([KMGT]i|m))$`)

// words that some reader takes for something else.
var notText = []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"}

func scalar(value any) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.ScalarNode}
	switch v := value.(type) {
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(v)
	case int64:
		n.Tag, n.Value = "!!int", strconv.FormatInt(v, 10)
	case string:
		if strings.ContainsAny(v, markBegin+markEnd) || !utf8.ValidString(v) {
			return nil, problem.New("remove the character", "%q holds what no manifest can", clip(v))
		}
		n.Tag, n.Value, n.Style = "!!str", v, yaml.DoubleQuotedStyle
		if bare.MatchString(v) && !slices.Contains(notText, strings.ToLower(v)) {
			n.Style = 0
		}
		if strings.Contains(v, "\n") && isPlainText(v) {
			n.Style = yaml.LiteralStyle
		}
	case chartValue:
		n.Tag, n.Value = "!!str", markBegin+string(v)+markEnd
	default:
		return nil, fmt.Errorf("%T cannot be written, which is a mistake in safe-run", value)
	}
	return n, nil
}

// isPlainText says whether a text of several lines can stand as it is.
func isPlainText(s string) bool {
	for line := range strings.SplitSeq(s, "\n") {
		if strings.TrimRight(line, " \t") != line || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return false
		}
	}
	return !strings.HasPrefix(s, " ") && !strings.HasPrefix(s, "\n")
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// toJSON writes a document as JSON, in the same order.
func (o object) toJSON() ([]byte, error) {
	var compact, out bytes.Buffer
	if err := writeJSON(&compact, o); err != nil {
		return nil, err
	}
	if err := json.Indent(&out, compact.Bytes(), "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func writeJSON(out *bytes.Buffer, value any) error {
	switch v := value.(type) {
	case object:
		out.WriteByte('{')
		for i, m := range v {
			if i > 0 {
				out.WriteByte(',')
			}
			if err := writeJSON(out, m.key); err != nil {
				return err
			}
			out.WriteByte(':')
			if err := writeJSON(out, m.value); err != nil {
				return err
			}
		}
		out.WriteByte('}')
	case list:
		out.WriteByte('[')
		for i, one := range v {
			if i > 0 {
				out.WriteByte(',')
			}
			if with, ok := one.(noted); ok {
				one = with.value
			}
			if err := writeJSON(out, one); err != nil {
				return err
			}
		}
		out.WriteByte(']')
	default:
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	}
	return nil
}

package profiles

import (
	"bytes"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// Encode writes a profile as YAML that Decode reads back as the same profile,
// origins aside. Only what is set is written. Version and kind are added where
// p does not have them.
func Encode(p Profile) ([]byte, error) {
	if p.APIVersion == "" {
		p.APIVersion = APIVersion
	}
	if p.Kind == "" {
		p.Kind = Kind
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(nodeOf(reflect.ValueOf(p))); err != nil {
		return nil, err
	}
	if err := enc.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// nodeOf makes the YAML node of a value.
func nodeOf(v reflect.Value) *yaml.Node {
	switch {
	case isSection(v.Type()):
		v = section(v)
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range fieldsOf(v.Type()) {
			if value := v.Field(f.index); isSet(value) {
				n.Content = append(n.Content, textNode(f.name), nodeOf(value))
			}
		}
		return n
	case v.Kind() == reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		if v.Len() == 0 || (v.Type().Elem().Kind() == reflect.String && v.Len() <= 4) {
			n.Style = yaml.FlowStyle
		}
		for i := range v.Len() {
			n.Content = append(n.Content, nodeOf(v.Index(i)))
		}
		return n
	case v.Kind() == reflect.String:
		return textNode(v.String())
	case v.Type() == reflect.TypeFor[*Command]():
		return commandNode(*v.Interface().(*Command))
	case v.Type() == reflect.TypeFor[*string]():
		return textNode(v.Elem().String())
	}
	return scalarNode(v)
}

// textNode is a string; the encoder quotes it where it would read as something
// else.
func textNode(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}

// scalarNode writes any other scalar plain, but for modes: YAML 1.1 and 1.2 do
// not agree on what 0755 is.
func scalarNode(v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text(v)}
	if v.Type() == reflect.TypeFor[*Mode]() {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

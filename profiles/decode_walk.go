package profiles

import (
	"encoding"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/safe-run/safe-run/spec/problem"
	"go.yaml.in/yaml/v3"
)

// kindNames says what a node is, for errors.
var kindNames = map[yaml.Kind]string{
	yaml.MappingNode: "a mapping", yaml.SequenceNode: "a list", yaml.ScalarNode: "a single value",
}

// plain refuses what would make a document mean something else than it shows.
// How deep a document nests needs no bound of its own: the walk goes no deeper
// than the types do.
func (d *decoder) plain(path string, n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.fail(n, "write the value out where it is needed, or share it with extends", "anchors and aliases are not allowed in a profile")
	case n.Style&yaml.TaggedStyle != 0:
		d.fail(n, "remove the tag", "the tag %q is not allowed in a profile", clip(n.Tag))
	case n.ShortTag() == "!!null":
		d.fail(n, "remove the key to inherit, or write [] for an empty list", "%s has no value", path)
	default:
		return true
	}
	return false
}

// want checks the kind of a node.
func (d *decoder) want(path string, n *yaml.Node, kind yaml.Kind, hint string) bool {
	if !d.plain(path, n) {
		return false
	}
	if n.Kind != kind {
		if path == "" {
			path = "a profile"
		}
		d.fail(n, hint, "%s must be %s, not %s", path, kindNames[kind], kindNames[n.Kind])
		return false
	}
	return true
}

// mapping fills the struct v.
func (d *decoder) mapping(path string, n *yaml.Node, v reflect.Value) {
	fields := fieldsOf(v.Type())
	if !d.want(path, n, yaml.MappingNode, keysHint(fields)) {
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		f, ok := d.key(path, key, fields)
		if !ok {
			continue
		}
		if seen[f.name] {
			d.fail(key, "keep one of the two", "%s is given twice", join(path, f.name))
			continue
		}
		seen[f.name] = true
		d.value(f, join(path, f.name), value, v.Field(f.index))
	}
	d.spreadWhy(path, v, fields)
}

// key finds the field that a key names.
func (d *decoder) key(path string, n *yaml.Node, fields []field) (field, bool) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!merge" {
		d.fail(n, "use extends: to build on another profile", "merge keys are not allowed in a profile")
		return field{}, false
	}
	if n.Kind != yaml.ScalarNode || !d.plain(path, n) {
		if n.Kind != yaml.ScalarNode {
			d.fail(n, keysHint(fields), "a key must be a single word")
		}
		return field{}, false
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		if f.name == n.Value {
			return f, true
		}
		names[i] = f.name
	}
	where := ""
	if path != "" {
		where = " in " + path
	}
	d.fail(n, keysHint(fields), "unknown key %q%s%s", clip(n.Value), where, didYouMean(n.Value, names))
	return field{}, false
}

func keysHint(fields []field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return "the keys here are " + strings.Join(names, ", ")
}

// value fills one setting.
func (d *decoder) value(f field, path string, n *yaml.Node, v reflect.Value) {
	d.origins[path] = d.at(n)
	switch {
	case isSection(v.Type()):
		if v.Kind() == reflect.Pointer {
			v.Set(reflect.New(v.Type().Elem()))
			v = v.Elem()
		}
		d.mapping(path, n, v)
	case v.Type() == reflect.TypeFor[*Command]() && n.Kind == yaml.SequenceNode:
		d.command(path, n, v)
	case v.Kind() == reflect.Slice:
		d.list(f, path, n, v)
	default:
		d.scalar(path, n, v)
	}
}

// mostEntry bounds an entry that is told from others by all of it, because the
// places of its settings each repeat it.
const mostEntry = 4096

// list fills a slice of structs or of text.
func (d *decoder) list(f field, path string, n *yaml.Node, v reflect.Value) {
	element := v.Type().Elem()
	if f.single && n.Kind == yaml.ScalarNode {
		n = &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{n}, Line: n.Line, Column: n.Column}
	}
	if !d.want(path, n, yaml.SequenceNode, "write each entry on a line of its own that begins with '- '") {
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	seen := map[string]bool{}
	for i, item := range n.Content {
		name := peekKey(item, element)
		if name == "" {
			name = strconv.Itoa(i)
		}
		if _, keyed := keyField(element); !keyed && element.Kind() == reflect.Struct && len(name) > mostEntry {
			d.fail(item, "split it", "%s[%d] is longer than %d bytes", path, i, mostEntry)
			continue
		}
		at := entry(path, name)
		if seen[name] {
			d.fail(item, "keep one of the two", "%s is listed twice", at)
			continue
		}
		seen[name] = true
		d.origins[at] = d.at(item)
		if element.Kind() == reflect.Struct {
			d.mapping(at, item, out.Index(i))
		} else {
			d.scalar(at, item, out.Index(i))
		}
	}
	v.Set(out)
}

// peekKey reads an entry's key before the entry is decoded, because the paths
// inside the entry are made of it. Empty when there is none.
func peekKey(n *yaml.Node, element reflect.Type) string {
	if n.Kind == yaml.ScalarNode {
		return n.Value
	}
	if element == reflect.TypeFor[Egress]() {
		e := Egress{To: scalarAt(n, "to")}
		for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
			if n.Content[i].Value == "ports" {
				for _, port := range n.Content[i+1].Content {
					e.Ports = append(e.Ports, port.Value)
				}
			}
		}
		return e.String()
	}
	if element.Kind() != reflect.Struct {
		return ""
	}
	if f, ok := keyField(element); ok {
		return scalarAt(n, f.name)
	}
	// What is told from others by all of it is read twice; mistakes are
	// reported the second time.
	probe, v := decoder{origins: Origins{}}, reflect.New(element).Elem()
	probe.mapping("", n, v)
	return keyOf(v)
}

func scalarAt(n *yaml.Node, name string) string {
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1].Value
		}
	}
	return ""
}

// spreadWhy notes the reason written in a section with the settings it covers.
func (d *decoder) spreadWhy(path string, v reflect.Value, fields []field) {
	why := v.FieldByName("Why")
	if !why.IsValid() || why.Len() == 0 {
		return
	}
	paths := []string{path}
	for _, f := range fields {
		paths = append(paths, join(path, f.name))
	}
	for _, at := range paths {
		if o, ok := d.origins[at]; ok {
			o.Why = why.String()
			d.origins[at] = o
		}
	}
}

// scalar fills a single value: text, number, truth value, or a type that reads
// itself from text.
func (d *decoder) scalar(path string, n *yaml.Node, v reflect.Value) {
	if !d.want(path, n, yaml.ScalarNode, "write one value") {
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if t, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := t.UnmarshalText([]byte(n.Value)); err != nil {
			d.reject(path, n, err)
		}
		return
	}
	tag := n.ShortTag()
	switch v.Kind() {
	case reflect.Bool:
		if tag != "!!bool" {
			d.fail(n, "write true or false", "%s must be true or false, not %q", path, clip(n.Value))
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case reflect.Int64:
		i, err := strconv.ParseInt(n.Value, 10, 64)
		if tag != "!!int" || err != nil {
			d.fail(n, "write a plain decimal number", "%s must be a whole number, not %q", path, clip(n.Value))
			return
		}
		v.SetInt(i)
	default:
		d.text(path, n, v)
	}
}

// text fills a string. Characters that a terminal would act on, and those that
// are not seen, are refused: what is printed is what was written.
func (d *decoder) text(path string, n *yaml.Node, v reflect.Value) {
	if tag := n.ShortTag(); tag != "!!str" {
		hint := "put it in quotes: \"" + clip(n.Value) + "\""
		if tag == "!!int" && strings.Contains(path, ".ports[") {
			hint = "write it with its protocol: " + clip(n.Value) + "/tcp"
		}
		d.fail(n, hint, "%s must be text, and this reads as %s", path, strings.TrimPrefix(tag, "!!"))
		return
	}
	prose := strings.HasSuffix(path, "why") || strings.HasSuffix(path, "description")
	for _, r := range n.Value {
		if !unicode.IsGraphic(r) && !(prose && (r == '\n' || r == '\t')) {
			d.fail(n, "remove the character", "%s holds the invisible character %U", path, r)
			return
		}
	}
	if n.Value == "" {
		d.fail(n, "remove the key, or give it a value", "%s is empty", path)
		return
	}
	v.SetString(n.Value)
}

// reject reports a value that its own type could not read.
func (d *decoder) reject(path string, n *yaml.Node, err error) {
	d.fail(n, problem.HintOf(err), "%s: %w", path, err)
}

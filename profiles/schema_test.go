package profiles

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated files anew")

// TestSchemaIsFresh generates the schema, which is why the generator is in a
// test: the program need not carry a Go parser.
func TestSchemaIsFresh(t *testing.T) {
	g := generator{docs: comments(t)}
	root := g.object(reflect.TypeFor[Profile]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "https://safe-run.dev/v1/profile.json"
	root["title"] = "safe-run profile"
	root["required"] = []string{"apiVersion", "kind", "metadata"}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("schema.json", out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	onDisk, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(onDisk, out.Bytes()) {
		t.Fatal("schema.json is not what the types say; run: go generate ./profiles")
	}
}

// requiredFields are the ones that an entry makes no sense without, beside keys.
var requiredFields = []string{"Egress.to", "Metadata.name", "Signature.name", "Identity.issuer"}

type generator struct{ docs map[string]string }

// object is the schema of a struct.
func (g generator) object(t reflect.Type) map[string]any {
	properties := map[string]any{}
	var required []string
	for _, f := range fieldsOf(t) {
		s := g.value(f, t.Field(f.index).Type)
		s["description"] = inYAML(g.docs[t.Name()+"."+t.Field(f.index).Name], t)
		properties[f.name] = s
		if f.key || slices.Contains(requiredFields, t.Name()+"."+f.name) {
			required = append(required, f.name)
		}
	}
	s := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if required != nil {
		s["required"] = required
	}
	if doc := g.docs[t.Name()]; doc != "" {
		s["description"] = doc
	}
	return s
}

// value is the schema of one setting.
func (g generator) value(f field, t reflect.Type) map[string]any {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case f.name == "apiVersion":
		return map[string]any{"const": APIVersion}
	case f.name == "kind":
		return map[string]any{"const": Kind}
	case t.Kind() == reflect.Struct:
		return g.object(t)
	case t.Kind() == reflect.Slice:
		return g.list(f, t)
	case t == reflect.TypeFor[string]() || t == reflect.TypeFor[Registry]():
		return textSchema(f)
	case t == reflect.TypeFor[bool]():
		return map[string]any{"type": "boolean"}
	case t == reflect.TypeFor[int64]():
		return map[string]any{"type": "integer", "minimum": 0}
	}
	return maps.Clone(scalarSchemas[t])
}

func (g generator) list(f field, t reflect.Type) map[string]any {
	items := textSchema(f)
	if t.Elem().Kind() == reflect.Struct {
		items = g.object(t.Elem())
	}
	if f.name == "ports" {
		items = map[string]any{"type": "string", "pattern": "^[0-9]+(-[0-9]+)?/(tcp|udp)$"}
	}
	list := map[string]any{"type": "array", "items": items}
	if f.single {
		return map[string]any{"oneOf": []any{map[string]any{"type": "string"}, list}}
	}
	return list
}

func textSchema(f field) map[string]any {
	s := map[string]any{"type": "string"}
	if names := namesOf(f.values); names != nil {
		s["enum"] = names
	}
	if pattern := patterns[f.name]; pattern != "" {
		s["pattern"] = pattern
	}
	return s
}

// patterns are what texts must look like, by the name of the setting.
var patterns = map[string]string{
	"probe": "^[A-Z][0-9]{2}$",
	"path":  "^/", "keys": "^/", "trustRoot": "^/", "vex": "^/", "report": "^/|^none$",
	"issuer": "^https://", "registries": "^[a-z0-9.\\[\\]:_/-]+$",
}

// scalarSchemas are the values that read themselves from text.
var scalarSchemas = map[reflect.Type]map[string]any{
	reflect.TypeFor[Bytes]():       {"type": []string{"string", "integer"}, "pattern": "^[0-9]+(\\.[0-9]+)?([kKmMgGtTpP]?[bB]?|[kKmMgGtTpP][iI][bB])$", "minimum": 0},
	reflect.TypeFor[MilliCPU]():    {"type": []string{"string", "number"}, "pattern": "^([0-9]+(\\.[0-9]{1,3})?|[0-9]+m)$", "minimum": 0},
	reflect.TypeFor[Duration]():    {"type": "string", "pattern": "^([0-9.]+(ns|us|µs|ms|s|m|h))+$"},
	reflect.TypeFor[Mode]():        {"type": []string{"string", "integer"}, "pattern": "^(0o)?[0-7]+$"},
	reflect.TypeFor[Signal]():      {"type": []string{"string", "integer"}},
	reflect.TypeFor[UserFrom]():    {"enum": userFroms},
	reflect.TypeFor[NetworkMode](): {"enum": networkModes},
	reflect.TypeFor[Severity]():    {"enum": severities},
	reflect.TypeFor[Reaction]():    {"enum": reactions},
	reflect.TypeFor[Command]():     {"oneOf": []any{map[string]any{"type": "string", "minLength": 1}, map[string]any{"type": "array", "items": map[string]any{"type": "string"}, "minItems": 1}}},
}

// comments are the doc comments of the types and fields in profile.go,
// image.go and health.go.
func comments(t *testing.T) map[string]string {
	docs := map[string]string{}
	for _, name := range []string{"profile.go", "image.go", "health.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		addComments(docs, file)
	}
	return docs
}

func addComments(docs map[string]string, file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		decl, ok := n.(*ast.GenDecl)
		if !ok || decl.Tok != token.TYPE {
			return true
		}
		spec := decl.Specs[0].(*ast.TypeSpec)
		if structure, ok := spec.Type.(*ast.StructType); ok {
			docs[spec.Name.Name] = sentence(decl.Doc)
			for _, f := range structure.Fields.List {
				docs[spec.Name.Name+"."+f.Names[0].Name] = sentence(f.Doc)
			}
		}
		return false
	})
}

// sentence is the first paragraph of a comment.
func sentence(c *ast.CommentGroup) string {
	first, _, _ := strings.Cut(c.Text(), "\n\n")
	return strings.Join(strings.Fields(first), " ")
}

// inYAML writes the names of settings as they are in a document, not in Go.
func inYAML(doc string, t reflect.Type) string {
	words := strings.Split(doc, " ")
	for _, f := range fieldsOf(t) {
		for i, word := range words {
			if strings.Trim(word, "().,;:") == t.Field(f.index).Name {
				words[i] = strings.Replace(word, t.Field(f.index).Name, f.name, 1)
			}
		}
	}
	return strings.Join(words, " ")
}

// The schema must accept what we ship, as far as a schema can: every key and
// every name in the built-in profiles is in it.
func TestSchemaKnowsEveryKey(t *testing.T) {
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	var missing []string
	var visit func(path string, t reflect.Type, s map[string]any)
	visit = func(path string, t reflect.Type, s map[string]any) {
		properties, _ := s["properties"].(map[string]any)
		for _, f := range fieldsOf(t) {
			sub, ok := properties[f.name].(map[string]any)
			if !ok {
				missing = append(missing, join(path, f.name))
				continue
			}
			if sub["description"] == "" {
				missing = append(missing, "the description of "+join(path, f.name))
			}
			ft := t.Field(f.index).Type
			if ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct {
				visit(join(path, f.name), ft.Elem(), sub["items"].(map[string]any))
			} else if isSection(ft) {
				visit(join(path, f.name), section(reflect.Zero(ft)).Type(), sub)
			}
		}
	}
	visit("", reflect.TypeFor[Profile](), s)
	if len(missing) > 0 {
		t.Errorf("the schema lacks %v", missing)
	}
}

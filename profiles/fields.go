package profiles

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// field is one key of a profile's mapping, read from a struct's tags. Decoding,
// encoding, layering, tightening, comparison and schema all go by it, so that a
// new setting is one struct field.
type field struct {
	index  int
	name   string // as written in YAML
	meet   string // how two values combine when tightened
	values string // kind of name that is valid, see namesOf
	key    bool   // names an entry within its list
	single bool   // a list of one may be written as its element
	must   bool   // an entry without it is not complete
}

var fieldCache sync.Map // reflect.Type to []field

// fieldsOf lists the settings of a struct type in the order they are declared.
func fieldsOf(t reflect.Type) []field {
	if cached, ok := fieldCache.Load(t); ok {
		return cached.([]field)
	}
	var fields []field
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		name, option, _ := strings.Cut(tag.Get("yaml"), ",")
		if name == "-" {
			continue
		}
		fields = append(fields, field{
			index: i, name: name, meet: tag.Get("meet"), values: tag.Get("values"),
			key: tag.Get("key") == "true", single: tag.Get("form") == "one-or-list", must: option == "",
		})
	}
	fieldCache.Store(t, fields)
	return fields
}

// isSet reports whether a setting says anything. An empty list does.
func isSet(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice:
		return !v.IsNil()
	case reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			if isSet(v.Field(f.index)) {
				return true
			}
		}
		return false
	}
	return !v.IsZero()
}

// isSection reports whether t is a struct, or a pointer to one, whose settings
// are visited one by one.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct || (t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct)
}

// section gives the struct of a section; a zero one when it is not set.
func section(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Pointer {
		return v
	}
	if v.IsNil() {
		return reflect.Zero(v.Type().Elem())
	}
	return v.Elem()
}

// keyOf is what tells an entry from the others of its list: the text itself,
// the field tagged as key, or, for a type without one, how it prints.
func keyOf(v reflect.Value) string {
	if v.Kind() == reflect.String {
		return v.String()
	}
	for _, f := range fieldsOf(v.Type()) {
		if f.key {
			return v.Field(f.index).String()
		}
	}
	return v.Interface().(fmt.Stringer).String()
}

// keyField is the field that names the entries of a list of t.
func keyField(t reflect.Type) (field, bool) {
	if t.Kind() == reflect.Struct {
		for _, f := range fieldsOf(t) {
			if f.key {
				return f, true
			}
		}
	}
	return field{}, false
}

// join extends a field path by a key.
func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// entry extends a field path by an entry of a list.
func entry(path, key string) string { return path + "[" + key + "]" }

// listPaths are the paths of all lists that are merged when layered.
func listPaths() []string {
	var paths []string
	var visit func(path string, t reflect.Type)
	visit = func(path string, t reflect.Type) {
		for _, f := range fieldsOf(t) {
			ft, at := t.Field(f.index).Type, join(path, f.name)
			switch {
			case ft.Kind() == reflect.Slice && f.meet != "-":
				paths = append(paths, at)
			case ft.Kind() == reflect.Struct:
				visit(at, ft)
			}
		}
	}
	visit("", reflect.TypeFor[Profile]())
	return paths
}

// text writes a scalar as a person would.
func text(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		out, err := m.MarshalText()
		if err == nil {
			return string(out)
		}
	}
	return fmt.Sprint(v.Interface())
}

// Package plainjson writes values as encoding/json does, and begins sooner:
// encoding/json prepares for every type that a value could lead to before it
// writes the first one, which for an OCI spec takes a millisecond and for what a
// program writes once is all there is to it. Here only what is there is looked at.
package plainjson

import (
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Marshal gives what json.Marshal gives, errors included.
func Marshal(v any) ([]byte, error) {
	w := writer{out: make([]byte, 0, 8<<10)}
	if !w.value(reflect.ValueOf(v), 0) {
		return json.Marshal(v)
	}
	return w.out, nil
}

// writer writes what it knows. It gives up where encoding/json has rules that
// nothing of ours needs, such as embedded structs, and leaves all to it then.
type writer struct {
	out    []byte
	fields map[reflect.Type][]field // nil of a struct that is left to encoding/json
}

// mostDeep bounds what is followed: a value may lead to itself.
const mostDeep = 100

var (
	marshaler     = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	zeroer        = reflect.TypeFor[interface{ IsZero() bool }]()
	number        = reflect.TypeFor[json.Number]()
)

// manner is how the values of a type are written.
type manner int

const (
	plain     manner = iota
	itself           // by a method of its own
	byAddress        // by a method of its own where it has an address
	strange          // by rules that are encoding/json's alone
)

// mannerOf says how the values of a type are written.
func mannerOf(t reflect.Type) manner {
	switch {
	case writesItself(t):
		return itself
	case t == number:
		return strange // a string that is none
	case t.PkgPath() != "" && writesItself(reflect.PointerTo(t)):
		return byAddress
	}
	return plain
}

// value writes one value, and says whether it could.
func (w *writer) value(v reflect.Value, depth int) bool {
	if !v.IsValid() {
		w.out = append(w.out, "null"...)
		return true
	}
	return w.write(v, mannerOf(v.Type()), depth)
}

// write is value for one whose type has been looked at.
func (w *writer) write(v reflect.Value, how manner, depth int) bool {
	switch {
	case how == strange, how == byAddress && v.CanAddr(), depth > mostDeep:
		return false
	case how == itself:
		return w.own(v)
	}
	switch v.Kind() {
	case reflect.Bool:
		w.out = strconv.AppendBool(w.out, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.out = strconv.AppendInt(w.out, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		w.out = strconv.AppendUint(w.out, v.Uint(), 10)
	case reflect.String:
		w.text(v.String())
	case reflect.Pointer, reflect.Interface:
		return w.value(v.Elem(), depth+1)
	case reflect.Slice:
		if v.IsNil() {
			w.out = append(w.out, "null"...)
			return true
		}
		return v.Type().Elem().Kind() != reflect.Uint8 && w.list(v, depth)
	case reflect.Array:
		return w.list(v, depth)
	case reflect.Map:
		return w.dictionary(v, depth)
	case reflect.Struct:
		return w.structure(v, depth)
	default:
		return false
	}
	return true
}

func writesItself(t reflect.Type) bool {
	return t.NumMethod() > 0 && (t.Implements(marshaler) || t.Implements(textMarshaler))
}

// own has a value write itself.
func (w *writer) own(v reflect.Value) bool {
	text, err := json.Marshal(v.Interface())
	w.out = append(w.out, text...)
	return err == nil
}

func (w *writer) list(v reflect.Value, depth int) bool {
	w.out = append(w.out, '[')
	how := mannerOf(v.Type().Elem())
	for i := range v.Len() {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		if !w.write(v.Index(i), how, depth+1) {
			return false
		}
	}
	w.out = append(w.out, ']')
	return true
}

func (w *writer) dictionary(v reflect.Value, depth int) bool {
	if key := v.Type().Key(); key.Kind() != reflect.String || key.Implements(textMarshaler) {
		return false
	}
	if v.IsNil() {
		w.out = append(w.out, "null"...)
		return true
	}
	entries := make(map[string]reflect.Value, v.Len())
	for all := v.MapRange(); all.Next(); {
		entries[all.Key().String()] = all.Value()
	}
	w.out = append(w.out, '{')
	for i, key := range slices.Sorted(maps.Keys(entries)) {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.text(key)
		w.out = append(w.out, ':')
		if !w.value(entries[key], depth+1) {
			return false
		}
	}
	w.out = append(w.out, '}')
	return true
}

func (w *writer) structure(v reflect.Value, depth int) bool {
	fields, known := w.fieldsOf(v.Type())
	if !known {
		return false
	}
	start := len(w.out)
	w.out = append(w.out, '{')
	for _, f := range fields {
		value := v.Field(f.index)
		if f.omitEmpty && empty(value) {
			continue
		}
		if f.omitZero {
			zero, known := isZero(value)
			if !known {
				return false
			}
			if zero {
				continue
			}
		}
		if len(w.out) > start+1 {
			w.out = append(w.out, ',')
		}
		w.out = append(w.out, f.name...)
		if !w.write(value, f.how, depth+1) {
			return false
		}
	}
	w.out = append(w.out, '}')
	return true
}

// field is what is written of a struct. Its name is quoted, with a colon.
type field struct {
	index               int
	how                 manner
	name                string
	omitEmpty, omitZero bool
}

// fieldsOf lists the fields of a struct, and says whether all about them is known.
func (w *writer) fieldsOf(t reflect.Type) (fields []field, known bool) {
	if fields, met := w.fields[t]; met {
		return fields, fields != nil
	}
	if w.fields == nil {
		w.fields = map[reflect.Type][]field{}
	}
	w.fields[t] = nil
	fields = make([]field, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			return nil, false
		}
		tag := f.Tag.Get("json")
		if !f.IsExported() || tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "" {
			name = f.Name
		}
		next := field{index: i, how: mannerOf(f.Type), name: `"` + name + `":`}
		twice := slices.ContainsFunc(fields, func(f field) bool { return f.name == next.name })
		if twice || strings.ContainsFunc(name, unusual) || !next.take(options) {
			return nil, false
		}
		fields = append(fields, next)
	}
	w.fields[t] = fields
	return fields, true
}

// take reads the options of a tag, and says whether all of them are known.
func (f *field) take(options string) bool {
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "":
		case "omitempty":
			f.omitEmpty = true
		case "omitzero":
			f.omitZero = true
		default:
			return false
		}
	}
	return true
}

// unusual are characters in names for which encoding/json has rules.
func unusual(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.')
}

// isZero is what omitzero means by it, where a type says nothing else by its
// address alone.
func isZero(v reflect.Value) (zero, ok bool) {
	t := v.Type()
	if t.PkgPath() == "" || !reflect.PointerTo(t).Implements(zeroer) {
		return v.IsZero(), t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface
	}
	if !t.Implements(zeroer) {
		return false, false
	}
	return v.Interface().(interface{ IsZero() bool }).IsZero(), true
}

// empty is what omitempty means by it.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct, reflect.Func, reflect.Chan, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return false
	}
	return v.IsZero()
}

const digits = "0123456789abcdef"

// text writes a string so that it can stand in HTML, and what is no UTF-8 as the
// replacement character.
func (w *writer) text(s string) {
	w.out = append(w.out, '"')
	done := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= ' ' && b < utf8.RuneSelf && b != '"' && b != '\\' && b != '<' && b != '>' && b != '&' {
			i++
			continue
		}
		size, instead := 1, ""
		switch r, n := utf8.DecodeRuneInString(s[i:]); {
		case r == utf8.RuneError && n == 1:
			instead = `\ufffd`
		case r == '\u2028' || r == '\u2029':
			size, instead = n, `\u202`+digits[r&0xf:r&0xf+1]
		case r >= utf8.RuneSelf:
			i += n
			continue
		default:
			instead = escaped(b)
		}
		w.out = append(append(w.out, s[done:i]...), instead...)
		i += size
		done = i
	}
	w.out = append(append(w.out, s[done:]...), '"')
}

// escaped is a character of ASCII that cannot stand for itself.
func escaped(b byte) string {
	switch b {
	case '"', '\\':
		return string([]byte{'\\', b})
	case '\b':
		return `\b`
	case '\f':
		return `\f`
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	}
	return `\u00` + string([]byte{digits[b>>4], digits[b&0xf]})
}

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
	w := writer{out: make([]byte, 0, 4096)}
	if !w.value(reflect.ValueOf(v), 0) {
		return json.Marshal(v)
	}
	return w.out, nil
}

// writer writes what it knows. It gives up where encoding/json has rules that
// nothing of ours needs, such as embedded structs, and leaves all to it then.
type writer struct{ out []byte }

// mostDeep bounds what is followed: a value may lead to itself.
const mostDeep = 100

var (
	marshaler     = reflect.TypeFor[json.Marshaler]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	zeroer        = reflect.TypeFor[interface{ IsZero() bool }]()
	number        = reflect.TypeFor[json.Number]()
)

// value writes one value, and says whether it could.
func (w *writer) value(v reflect.Value, depth int) bool {
	if !v.IsValid() {
		w.out = append(w.out, "null"...)
		return true
	}
	if depth > mostDeep {
		return false
	}
	switch t := v.Type(); {
	case writesItself(t):
		return w.own(v)
	case t == number, v.CanAddr() && t.PkgPath() != "" && writesItself(reflect.PointerTo(t)):
		return false // a string that is no string; and what by its address writes itself
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
	for i := range v.Len() {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		if !w.value(v.Index(i), depth+1) {
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
	t, first := v.Type(), true
	w.out = append(w.out, '{')
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Anonymous {
			return false
		}
		tag := field.Tag.Get("json")
		if !field.IsExported() || tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "" {
			name = field.Name
		}
		leave, known := leftOut(v.Field(i), options)
		if !known || strings.ContainsFunc(name, unusual) {
			return false
		}
		if leave {
			continue
		}
		if !first {
			w.out = append(w.out, ',')
		}
		first = false
		w.out = append(append(append(w.out, '"'), name...), '"', ':')
		if !w.value(v.Field(i), depth+1) {
			return false
		}
	}
	w.out = append(w.out, '}')
	return true
}

// unusual are characters in names for which encoding/json has rules.
func unusual(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.')
}

// leftOut says whether a field's options leave it out, and whether all of them
// are known.
func leftOut(v reflect.Value, options string) (leave, known bool) {
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "":
		case "omitempty":
			leave = leave || empty(v)
		case "omitzero":
			zero, ok := isZero(v)
			if !ok {
				return false, false
			}
			leave = leave || zero
		default:
			return false, false
		}
	}
	return leave, true
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

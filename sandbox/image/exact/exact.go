// Package exact reads JSON that others wrote in the one way in which every
// reader would. encoding/json takes the last of two members of one name, merges
// their lists, and takes "Layers" for "layers"; other readers do not. What was
// scanned or signed with one of them must not be another image here.
package exact

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// Unmarshal is json.Unmarshal, less what readers differ in: an object that has a
// member twice, or one that differs from a member of into only in the case of
// its letters. What into does not have is not looked at.
func Unmarshal(data []byte, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return err
	}
	return newChecker(data).value(reflect.TypeOf(into))
}

// Check looks for the same in data that was read into into by another reader.
func Check(data []byte, into any) error {
	if !json.Valid(data) {
		return errors.New("it is not JSON, or something follows it")
	}
	return newChecker(data).value(reflect.TypeOf(into))
}

// checker walks through JSON that is known to be valid. json.Decoder would do,
// with many times the memory.
type checker struct {
	rest  []byte
	known map[reflect.Type]map[string]reflect.Type
}

func newChecker(data []byte) *checker {
	return &checker{data, map[reflect.Type]map[string]reflect.Type{}}
}

// value checks the next value, which is read into a t.
func (c *checker) value(t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	start := c.next()
	if !composed(t) || start != '{' && start != '[' {
		c.skip()
		return nil
	}
	c.rest = c.rest[1:]
	if start == '{' {
		return c.members(t)
	}
	for c.more(']') {
		if err := c.value(t.Elem()); err != nil {
			return err
		}
	}
	return nil
}

// more goes on to the next element or member, or over the end.
func (c *checker) more(end byte) bool {
	first := c.next()
	if first == ',' || first == end {
		c.rest = c.rest[1:]
	}
	return first != end
}

// members checks what is in an object.
func (c *checker) members(t reflect.Type) error {
	seen := map[string]bool{}
	for c.more('}') {
		c.next()
		name, err := unquoted(c.skip())
		if err != nil {
			return err
		}
		of, err := c.member(t, name)
		if err != nil {
			return err
		}
		if of != ignored {
			if seen[name] {
				return fmt.Errorf("it has %q twice", short(name))
			}
			seen[name] = true
		}
		c.next()
		c.rest = c.rest[1:] // the colon
		if err := c.value(of); err != nil {
			return err
		}
	}
	return nil
}

// next goes on to what is not space, and gives its first byte.
func (c *checker) next() byte {
	c.rest = bytes.TrimLeft(c.rest, " \t\r\n")
	return c.rest[0]
}

// skip goes over a value, or the name of a member, and gives it.
func (c *checker) skip() []byte {
	whole, depth := c.rest, 0
	for {
		switch c.next() {
		case '{', '[':
			depth++
			c.rest = c.rest[1:]
		case '}', ']':
			depth--
			c.rest = c.rest[1:]
		case ',', ':':
			c.rest = c.rest[1:]
		case '"':
			c.text()
		default:
			end := bytes.IndexAny(c.rest, ",]} \t\r\n")
			if end < 0 {
				end = len(c.rest)
			}
			c.rest = c.rest[end:]
		}
		if depth == 0 {
			return whole[:len(whole)-len(c.rest)]
		}
	}
}

// text goes over a string.
func (c *checker) text() {
	for i := 1; ; i++ {
		switch c.rest[i] {
		case '\\':
			i++
		case '"':
			c.rest = c.rest[i+1:]
			return
		}
	}
}

// unquoted is the string that is written as quoted.
func unquoted(quoted []byte) (string, error) {
	plain := !bytes.ContainsFunc(quoted, func(r rune) bool { return r == '\\' || r >= utf8.RuneSelf })
	if plain {
		return string(quoted[1 : len(quoted)-1]), nil
	}
	var s string
	err := json.Unmarshal(quoted, &s)
	return s, err
}

// ignored is the type of a member that is not read.
var ignored = reflect.TypeFor[json.RawMessage]()

// member is the type of a member of a struct or a map.
func (c *checker) member(t reflect.Type, name string) (reflect.Type, error) {
	if t.Kind() == reflect.Map {
		return t.Elem(), nil
	}
	fields := c.known[t]
	if fields == nil {
		fields = fieldsOf(t)
		c.known[t] = fields
	}
	if of, there := fields[name]; there {
		return of, nil
	}
	for known := range fields {
		if strings.EqualFold(known, name) {
			return nil, fmt.Errorf("it has %q, which some read as %q", short(name), known)
		}
	}
	return ignored, nil
}

// fieldsOf are the members of a struct by their names in JSON.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case !f.IsExported() || name == "-" || f.Anonymous && name == "":
			continue
		case name == "":
			name = f.Name
		}
		fields[name] = f.Type
	}
	return fields
}

// composed reports whether a value of t has members that are to be looked at:
// not when t reads itself.
func composed(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array:
		p := reflect.PointerTo(t)
		return !p.Implements(reflect.TypeFor[json.Unmarshaler]()) && !p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
	}
	return false
}

// short makes a name fit for a message.
func short(name string) string {
	const longest = 64
	if len(name) > longest {
		return strings.ToValidUTF8(name[:longest], "") + "..."
	}
	return name
}

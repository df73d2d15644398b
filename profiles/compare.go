package profiles

import (
	"reflect"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/seccomp"
)

// Change is one difference between two profiles.
type Change struct {
	Path   string `json:"path"`             // such as "resources.memory"
	Old    string `json:"old,omitempty"`    // empty where it is not set
	New    string `json:"new,omitempty"`    // empty where it is not set
	Looser bool   `json:"looser,omitempty"` // the new one allows more
	Origin Origin `json:"origin,omitzero"`  // where the new one was written, or else the old one
}

// Diff lists how b differs from a, in the order of the format. What is not set
// allows nothing where it is an allowance, and limits nothing where it is a
// limit. Reasons are not compared, metadata and extends neither.
func Diff(a, b Profile) []Change {
	c := newComparison(a, b)
	c.section("", reflect.ValueOf(c.a), reflect.ValueOf(c.b))
	return c.changes
}

// Looser lists where p allows more than floor; it is empty when p is within
// floor. What floor does not set, it allows.
func Looser(p, floor Profile) []Change {
	c := newComparison(floor, p)
	c.floor = true
	c.section("", reflect.ValueOf(c.a), reflect.ValueOf(c.b))
	return slices.DeleteFunc(c.changes, func(ch Change) bool { return !ch.Looser })
}

// comparison walks two profiles and notes where they differ.
type comparison struct {
	a, b    Profile
	floor   bool // a is a floor: what it does not set is allowed
	changes []Change
}

func newComparison(a, b Profile) comparison {
	a.Image.Vulnerabilities, b.Image.Vulnerabilities = gate(a.Image.Vulnerabilities), gate(b.Image.Vulnerabilities)
	return comparison{a: a, b: b}
}

func (c *comparison) note(path, before, after string, looser bool) {
	origin := c.b.Origin(path)
	if after == "" {
		origin = c.a.Origin(path)
	}
	c.changes = append(c.changes, Change{path, before, after, looser, origin})
}

// uncompared are the keys of a document that are not policy.
var uncompared = []string{"apiVersion", "kind", "metadata", "extends", "replace", "why"}

func (c *comparison) section(path string, a, b reflect.Value) {
	for _, f := range fieldsOf(a.Type()) {
		before, after := a.Field(f.index), b.Field(f.index)
		at := join(path, f.name)
		switch {
		case slices.Contains(uncompared, f.name) || f.key:
		case c.floor && !isSet(before):
		case isSection(before.Type()):
			c.section(at, section(before), section(after))
		case before.Kind() == reflect.Slice:
			c.list(f, at, before, after)
		default:
			if old, value := text(before), text(after); old != value {
				c.note(at, old, value, scalarLooser(f, after, before))
			}
		}
	}
}

func (c *comparison) list(f field, path string, a, b reflect.Value) {
	switch f.meet {
	case "within":
		c.within(path, a, b)
		return
	case "method":
		if a.Type() == reflect.TypeFor[[]Syscall]() {
			c.syscalls(path, a.Interface().([]Syscall), b.Interface().([]Syscall))
		} else {
			c.egress(path, usable(c.a.Network), usable(c.b.Network))
		}
		return
	case "union":
		c.missing(path, a, b, true)
	default:
		c.missing(path, a, b, false)
	}
	for _, p := range layered(path, a, b) {
		switch {
		case !p.a.IsValid():
			c.note(p.bPath, "", entryText(p.b), f.meet == "intersect")
		case p.b.IsValid() && p.a.Kind() == reflect.Struct:
			c.section(p.aPath, p.a, p.b)
		}
	}
}

// missing notes the entries of a that b does not have.
func (c *comparison) missing(path string, a, b reflect.Value, looser bool) {
	kept := indexed(b)
	for i := range a.Len() {
		key := keyOf(a.Index(i))
		if _, ok := kept[key]; !ok {
			c.note(entry(path, key), entryText(a.Index(i)), "", looser)
		}
	}
}

// entryText writes an entry in short: what it sets besides its key, or
// "listed" when it is nothing but a key.
func entryText(v reflect.Value) string {
	var parts []string
	if v.Kind() == reflect.Struct {
		for _, f := range fieldsOf(v.Type()) {
			if value := v.Field(f.index); f.name != "why" && !f.key && isSet(value) && value.Kind() == reflect.Pointer {
				parts = append(parts, f.name+" "+text(value))
			}
		}
	}
	if len(parts) == 0 {
		return "listed"
	}
	return strings.Join(parts, ", ")
}

// syscalls compares two allow-lists by the calls they stand for.
func (c *comparison) syscalls(path string, a, b []Syscall) {
	c.syscallsOver(path, b, a, true)
	c.syscallsOver(path, a, b, false)
}

// syscallsOver notes each entry of list with the calls that base does not
// allow. added says that list is the new one.
func (c *comparison) syscallsOver(path string, list, base []Syscall, added bool) {
	known := seccomp.Expand(syscallNames(base))
	for _, s := range list {
		var more []string
		for _, name := range seccomp.Expand([]string{s.Name}) {
			if _, ok := slices.BinarySearch(known, name); !ok {
				more = append(more, name)
			}
		}
		if len(more) == 0 {
			continue
		}
		names := strings.Join(more, " ")
		if added {
			c.note(entry(path, s.Name), "", names, true)
		} else {
			c.note(entry(path, s.Name), names, "", false)
		}
	}
}

// egress compares two lists of rules by the connections they allow.
func (c *comparison) egress(path string, a, b []Egress) {
	for _, e := range b {
		if !reachHolds(a, e) {
			c.note(entry(path, e.String()), "", e.String(), true)
		}
	}
	for _, e := range a {
		if !reachHolds(b, e) {
			c.note(entry(path, e.String()), e.String(), "", false)
		}
	}
}

package profiles

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// NoReport stands for no file where a report is named.
const NoReport = "none"

// DefaultMaxAge is how old what is known of an image may be where a gate does
// not say.
const DefaultMaxAge = Duration(24 * time.Hour)

// covers reports whether outer is inner or above it at a slash.
func covers(outer, inner string) bool {
	return outer == inner || strings.HasPrefix(inner, outer+"/")
}

// meetWithin intersects two lists whose entries stand for themselves and for
// what lies below them: of two that overlap, the inner one is in both.
func meetWithin(path string, a, b reflect.Value) []pair {
	left, right := outermost(a), outermost(b)
	var pairs []pair
	for i := range left.Len() {
		l := left.Index(i)
		if slices.ContainsFunc(texts(right), func(r string) bool { return covers(r, l.String()) }) {
			pairs = append(pairs, pair{a: l, aPath: entry(path, l.String())})
		}
	}
	for i := range right.Len() {
		r := right.Index(i)
		if slices.ContainsFunc(texts(left), func(l string) bool { return l != r.String() && covers(l, r.String()) }) {
			pairs = append(pairs, pair{b: r, bPath: entry(path, r.String())})
		}
	}
	return pairs
}

// outermost leaves out the entries that another one covers.
func outermost(list reflect.Value) reflect.Value {
	all := texts(list)
	out := reflect.MakeSlice(list.Type(), 0, list.Len())
	for i, inner := range all {
		covered := slices.ContainsFunc(all, func(outer string) bool { return outer != inner && covers(outer, inner) })
		if !covered && !slices.Contains(all[:i], inner) {
			out = reflect.Append(out, list.Index(i))
		}
	}
	return out
}

// texts are the entries of a list of text.
func texts(list reflect.Value) []string {
	out := make([]string, list.Len())
	for i := range out {
		out[i] = list.Index(i).String()
	}
	return out
}

// gate is v as the one whole that it is: with what it leaves open written out,
// and nothing where there is no block. Otherwise the meet of two gates would
// have what loosens one of them and was never said of the other.
func gate(v Vulnerabilities) Vulnerabilities {
	if v.Block == nil {
		return Vulnerabilities{}
	}
	if v.FixableOnly == nil {
		v.FixableOnly = new(bool)
	}
	if v.MaxAge == nil {
		v.MaxAge = new(DefaultMaxAge)
	}
	if v.VEX == nil {
		v.VEX = []string{}
	}
	return v
}

// meetReports gives the file that both name, or none.
func meetReports(a, b string) string {
	if a == b {
		return a
	}
	return NoReport
}

// within compares two lists of the kind that meetWithin meets. One that is not
// set allows everything.
func (c *comparison) within(path string, a, b reflect.Value) {
	switch {
	case !isSet(a) && !isSet(b):
		return
	case !isSet(b):
		c.note(path, listText(a), "", true)
		return
	case !isSet(a):
		c.note(path, "", listText(b), false)
		return
	}
	for _, text := range uncovered(b, a) {
		c.note(entry(path, text), below(text, a), text, true)
	}
	for _, text := range uncovered(a, b) {
		c.note(entry(path, text), text, below(text, b), false)
	}
}

// below are the entries of list that outer covers.
func below(outer string, list reflect.Value) string {
	return strings.Join(slices.DeleteFunc(texts(list), func(inner string) bool { return !covers(outer, inner) }), ", ")
}

// uncovered are the entries of list that nothing in by covers.
func uncovered(list, by reflect.Value) []string {
	return slices.DeleteFunc(texts(list), func(inner string) bool {
		return slices.ContainsFunc(texts(by), func(outer string) bool { return covers(outer, inner) })
	})
}

func listText(list reflect.Value) string {
	if list.Len() == 0 {
		return "none"
	}
	return strings.Join(texts(list), ", ")
}

// plainSignatures writes what each signature asks for in one order.
func plainSignatures(list []Signature) {
	for i := range list {
		s := &list[i]
		s.Keys = slices.Sorted(slices.Values(s.Keys))
		s.Keyless = slices.SortedFunc(slices.Values(s.Keyless), func(x, y Identity) int {
			return strings.Compare(x.String(), y.String())
		})
	}
}

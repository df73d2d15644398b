package profiles

import (
	"reflect"
	"slices"
)

// Layer lays upper over lower. What upper sets replaces; entries of lists are
// merged by their key, upper's settings first; an empty list in upper clears,
// and so does a list that upper names under replace, before its own entries.
//
// A reason stays with the setting it was written for: where upper loosens a
// section without a why of its own, the lower why is dropped.
func Layer(lower, upper Profile) Profile {
	switch {
	case saysNothing(upper):
		return alone(lower)
	case saysNothing(lower):
		return alone(upper)
	}
	return layer(lower, upper)
}

func layer(lower, upper Profile) Profile {
	m := &merger{
		scalar: func(_ field, _, b reflect.Value) (reflect.Value, bool) { return b, true },
		entries: func(_ field, path string, a, b reflect.Value) []pair {
			if b.Len() == 0 || slices.Contains(upper.Replace, path) {
				return oneSided(path, b, second)
			}
			return layered(path, a, b)
		},
		upper:  second,
		reason: upperReason,
	}
	merged := m.profiles(lower, upper)
	merged.Replace = union(lower.Replace, upper.Replace)
	return merged
}

// layered pairs entries by key: lower's in their order, then what only upper has.
func layered(path string, a, b reflect.Value) []pair {
	upper := indexed(b)
	pairs := make([]pair, 0, a.Len()+b.Len())
	for i := range a.Len() {
		key := keyOf(a.Index(i))
		p := pair{a: a.Index(i), aPath: entry(path, key), bPath: entry(path, key)}
		if j, ok := upper[key]; ok {
			p.b = b.Index(j)
			delete(upper, key)
		}
		pairs = append(pairs, p)
	}
	for j := range b.Len() {
		key := keyOf(b.Index(j))
		if _, left := upper[key]; left {
			pairs = append(pairs, pair{b: b.Index(j), bPath: entry(path, key)})
		}
	}
	return pairs
}

// indexed finds the entries of a list by key.
func indexed(list reflect.Value) map[string]int {
	index := make(map[string]int, list.Len())
	for i := range list.Len() {
		index[keyOf(list.Index(i))] = i
	}
	return index
}

// upperReason keeps upper's why, or lower's when upper does not loosen what it
// stands for.
func upperReason(_, a, b reflect.Value) (reflect.Value, side) {
	lower, upper := a.FieldByName("Why"), b.FieldByName("Why")
	if upper.Len() > 0 {
		return upper, second
	}
	for _, f := range fieldsOf(a.Type()) {
		old, value := a.Field(f.index), b.Field(f.index)
		if value.Kind() == reflect.Pointer && isSet(value) && !isSection(value.Type()) && scalarLooser(f, value, old) {
			return upper, neither
		}
	}
	return lower, first
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

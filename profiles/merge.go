package profiles

import "reflect"

// merger walks two values of one type together and builds a third. Layer and
// Tighten are this walk with different rules for what both sides say; where
// only one side says something, that is the result.
type merger struct {
	a, b, out Origins
	// scalar decides between two values that are set; the second result says
	// that b's was taken.
	scalar func(f field, a, b reflect.Value) (reflect.Value, bool)
	// entries pairs up the entries of two lists that are both set.
	entries func(f field, path string, a, b reflect.Value) []pair
	// upper is the side whose place is noted where both set a section or list.
	upper side
	// reason decides which why a section keeps, after its settings were merged.
	reason func(why, a, b reflect.Value) (reflect.Value, side)
}

// side says which of the two profiles something came from.
type side int

const (
	neither side = iota
	first
	second
)

// pair is one entry of a list in two versions; either may be missing (not
// valid). aPath and bPath are where the versions are found in the origins.
type pair struct {
	a, b         reflect.Value
	aPath, bPath string
}

// profiles runs the walk over two profiles.
func (m *merger) profiles(a, b Profile) Profile {
	m.a, m.b, m.out = a.Origins, b.Origins, Origins{}
	merged := m.section(spot{}, reflect.ValueOf(a), reflect.ValueOf(b)).Interface().(Profile)
	if len(m.out) > 0 {
		merged.Origins = m.out
	}
	return merged
}

// spot is where the walk is: the path in the result and in the two sides. They
// differ only where a list's entries are taken apart.
type spot struct{ out, a, b string }

func (s spot) join(name string) spot {
	return spot{join(s.out, name), join(s.a, name), join(s.b, name)}
}

// section merges two structs setting by setting.
func (m *merger) section(at spot, a, b reflect.Value) reflect.Value {
	out := reflect.New(a.Type()).Elem()
	why := -1
	for _, f := range fieldsOf(a.Type()) {
		if f.name == "why" {
			why = f.index
			continue
		}
		out.Field(f.index).Set(m.value(f, at.join(f.name), a.Field(f.index), b.Field(f.index)))
	}
	if why >= 0 {
		text, from := m.reason(out, a, b)
		out.Field(why).Set(text)
		m.note(at.join("why"), from)
	}
	return out
}

// value merges one setting.
func (m *merger) value(f field, at spot, a, b reflect.Value) reflect.Value {
	switch {
	case !isSet(a) && !isSet(b):
		return reflect.Zero(a.Type())
	case isSection(a.Type()):
		m.noteEither(at, isSet(a), isSet(b))
		merged := m.section(at, section(a), section(b))
		if a.Kind() == reflect.Pointer {
			return merged.Addr()
		}
		return merged
	case a.Kind() == reflect.Slice:
		return m.list(f, at, a, b)
	case !isSet(b):
		m.note(at, first)
		return copied(a)
	case !isSet(a):
		m.note(at, second)
		return copied(b)
	}
	merged, fromB := m.scalar(f, a, b)
	if fromB {
		m.note(at, second)
	} else {
		m.note(at, first)
	}
	return copied(merged)
}

// list merges two lists entry by entry.
func (m *merger) list(f field, at spot, a, b reflect.Value) reflect.Value {
	m.noteEither(at, isSet(a), isSet(b))
	var pairs []pair
	switch {
	case !isSet(b):
		pairs = oneSided(at.a, a, first)
	case !isSet(a):
		pairs = oneSided(at.b, b, second)
	default:
		pairs = m.entries(f, at.out, a, b)
	}
	out := reflect.MakeSlice(a.Type(), 0, len(pairs))
	for _, p := range pairs {
		out = reflect.Append(out, m.entry(at, p))
	}
	return out
}

// entry merges the two versions of one entry.
func (m *merger) entry(at spot, p pair) reflect.Value {
	a, b := p.a, p.b
	from := first
	if !a.IsValid() {
		a, from = reflect.Zero(b.Type()), second
	}
	if !b.IsValid() {
		b = reflect.Zero(a.Type())
	}
	where := spot{a: p.aPath, b: p.bPath}
	if a.Kind() == reflect.String {
		if from == second {
			a = b
		}
		where.out = entry(at.out, a.String())
		m.note(where, from)
		return copied(a)
	}
	key := keyOf(a)
	if from == second {
		key = keyOf(b)
	}
	where.out = entry(at.out, key)
	m.noteEither(where, p.a.IsValid(), p.b.IsValid())
	return m.section(where, a, b)
}

// note copies the origin of a setting that was taken from one side.
func (m *merger) note(at spot, from side) {
	source, path := m.a, at.a
	switch from {
	case neither:
		return
	case second:
		source, path = m.b, at.b
	}
	if o, ok := source[path]; ok {
		m.out[at.out] = o
	}
}

// noteEither copies the origin of a section, list or entry: the upper side's,
// or that of the only side which sets it.
func (m *merger) noteEither(at spot, hasA, hasB bool) {
	switch {
	case hasA && (!hasB || m.upper == first):
		m.note(at, first)
	case hasB:
		m.note(at, second)
	}
}

// oneSided pairs every entry of a list with nothing.
func oneSided(path string, list reflect.Value, from side) []pair {
	pairs := make([]pair, 0, list.Len())
	for i := range list.Len() {
		at := entry(path, keyOf(list.Index(i)))
		if from == first {
			pairs = append(pairs, pair{a: list.Index(i), aPath: at})
		} else {
			pairs = append(pairs, pair{b: list.Index(i), bPath: at})
		}
	}
	return pairs
}

// copied makes a value that shares nothing with v.
func copied(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return v
	}
	p := reflect.New(v.Type().Elem())
	p.Elem().Set(v.Elem())
	return p
}

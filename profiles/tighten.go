package profiles

import (
	"maps"
	"reflect"
	"slices"

	"github.com/safe-run/safe-run/spec/seccomp"
)

// Tighten is the meet of two policies: what both allow and either limits. What
// one of them does not set, the other decides. In its canonical form (see
// Canonical) the result does not depend on the order or repetition of the
// operands, and it is never looser than either (see Looser).
//
// Reasons and metadata are a's where both have them; extends and replace are
// spent and not kept.
func Tighten(a, b Profile) Profile {
	a.Extends, b.Extends, a.Replace, b.Replace = nil, nil, nil, nil
	a.Image.Vulnerabilities, b.Image.Vulnerabilities = gate(a.Image.Vulnerabilities), gate(b.Image.Vulnerabilities)
	m := &merger{
		scalar:  meetScalars,
		entries: meetEntries,
		upper:   first,
		reason: func(_, a, b reflect.Value) (reflect.Value, side) {
			if why := a.FieldByName("Why"); why.Len() > 0 {
				return why, first
			}
			return b.FieldByName("Why"), second
		},
	}
	met := m.profiles(a, b)
	met.Network.Egress = usable(met.Network)
	return met
}

// usable is the egress that a network has: without a network there is nothing
// to leave by, whatever is allowed.
func usable(n Network) []Egress {
	if n.Egress != nil && n.Mode != nil && *n.Mode == NetworkNone {
		return []Egress{}
	}
	return n.Egress
}

// meetEntries pairs the entries that the meet of two lists has.
func meetEntries(f field, path string, a, b reflect.Value) []pair {
	switch f.meet {
	case "union":
		return layered(path, a, b)
	case "within":
		return meetWithin(path, a, b)
	case "method":
		return meetMethods[a.Type()](path, a, b)
	}
	return slices.DeleteFunc(layered(path, a, b), func(p pair) bool {
		return !p.a.IsValid() || !p.b.IsValid()
	})
}

// meetMethods are the lists whose entries stand for overlapping sets, so that
// their keys alone do not tell what both allow.
var meetMethods = map[reflect.Type]func(path string, a, b reflect.Value) []pair{
	reflect.TypeFor[[]Syscall](): meetSyscalls,
	reflect.TypeFor[[]Egress]():  meetEgress,
}

// meetSyscalls intersects two allow-lists. What both name stays as it is named;
// of the rest, groups are taken apart.
func meetSyscalls(path string, a, b reflect.Value) []pair {
	pairs := slices.DeleteFunc(layered(path, a, b), func(p pair) bool {
		return !p.a.IsValid() || !p.b.IsValid()
	})
	var named []string
	for _, p := range pairs {
		named = append(named, keyOf(p.a))
	}
	covered := map[string]giver{}
	if named != nil {
		covered = givers(path, named, a)
	}
	left := givers(path, nil, a)
	right := givers(path, nil, b)
	for _, name := range slices.Sorted(maps.Keys(left)) {
		l, r := left[name], right[name]
		if _, done := covered[name]; done || r.path == "" {
			continue
		}
		pairs = append(pairs, pair{
			a: reflect.ValueOf(Syscall{name, l.why}), aPath: l.path,
			b: reflect.ValueOf(Syscall{name, r.why}), bPath: r.path,
		})
	}
	return pairs
}

// giver is the entry of a list that allows a system call.
type giver struct{ path, why string }

// givers says for each system call which entry of a list allows it: the call
// itself, or else the first group. Only the entries named count, or all when
// none is.
func givers(path string, named []string, list reflect.Value) map[string]giver {
	out := map[string]giver{}
	for _, s := range list.Interface().([]Syscall) {
		if named != nil && !slices.Contains(named, s.Name) {
			continue
		}
		for _, name := range seccomp.Expand([]string{s.Name}) {
			if _, ok := out[name]; !ok || name == s.Name {
				out[name] = giver{entry(path, s.Name), s.Why}
			}
		}
	}
	return out
}

// syscallNames are the names of a list, sorted.
func syscallNames(list []Syscall) []string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = s.Name
	}
	slices.Sort(names)
	return names
}

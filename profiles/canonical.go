package profiles

import (
	"reflect"
	"slices"
	"strings"

	"github.com/safe-run/safe-run/spec/seccomp"
)

// Canonical writes a policy in the one form that all profiles with the same
// meaning share: lists sorted, groups of system calls taken apart, egress rules
// as neighbouring prefixes. Reasons, origins, metadata and what names other
// documents are left out. It is for comparing, not for reading.
func Canonical(p Profile) Profile {
	m := &merger{
		scalar:  func(_ field, a, _ reflect.Value) (reflect.Value, bool) { return a, false },
		entries: func(field, string, reflect.Value, reflect.Value) []pair { return nil },
		upper:   first,
		reason: func(why, _, _ reflect.Value) (reflect.Value, side) {
			return reflect.Zero(reflect.TypeFor[string]()), neither
		},
	}
	p.Origins = nil
	p.Image.Vulnerabilities = gate(p.Image.Vulnerabilities)
	out := m.profiles(p, Profile{})
	out.APIVersion, out.Kind, out.Metadata, out.Extends, out.Replace = "", "", Metadata{}, nil, nil
	if out.Seccomp.Allow != nil {
		out.Seccomp.Allow = plainSyscalls(out.Seccomp.Allow)
	}
	if out.Network.Egress != nil {
		out.Network.Egress = reachOf(usable(out.Network)).rules()
	}
	if out.Image.Registries != nil {
		out.Image.Registries = outermost(reflect.ValueOf(out.Image.Registries)).Interface().([]Registry)
	}
	plainSignatures(out.Image.Signatures)
	sortLists(reflect.ValueOf(&out).Elem())
	return out
}

func plainSyscalls(list []Syscall) []Syscall {
	out := []Syscall{}
	for _, name := range seccomp.Expand(syscallNames(list)) {
		out = append(out, Syscall{Name: name})
	}
	return out
}

// sortLists sorts the lists of a policy by key. Lists within entries are in
// order already.
func sortLists(v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		value := v.Field(f.index)
		switch value.Kind() {
		case reflect.Struct:
			sortLists(value)
		case reflect.Slice:
			if f.meet == "union" && value.Len() == 0 {
				value.SetZero() // no restriction is what not speaking of it is, too
			}
			sortByKey(value)
		}
	}
}

func sortByKey(list reflect.Value) {
	sorted := make([]reflect.Value, list.Len())
	for i := range sorted {
		sorted[i] = reflect.New(list.Type().Elem()).Elem()
		sorted[i].Set(list.Index(i))
	}
	slices.SortStableFunc(sorted, func(a, b reflect.Value) int { return strings.Compare(keyOf(a), keyOf(b)) })
	for i, v := range sorted {
		list.Index(i).Set(v)
	}
}

package seccomp

import (
	"maps"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Bounds of what is reported of values that are on no list, each a power of two:
// what lies above is no operation of prctl(2) (but for those that are allowed),
// and no protocol; each bit of it would be a rule more.
const (
	optionBound   = 128
	protocolBound = 512 // IPPROTO_MPTCP is 262
)

// unlisted gives conditions under which filter refuses a call of which it allows
// some arguments, and says so by no rule of its own: operations of prctl, types
// and protocols of sockets. They hold for nothing that filter allows.
func unlisted(filter *specs.LinuxSeccomp, name string) []conditions {
	var allowed []conditions
	for _, rule := range filter.Syscalls {
		if rule.Action == specs.ActAllow && slices.Contains(rule.Names, name) {
			allowed = append(allowed, rule.Args)
		}
	}
	switch name {
	case "prctl":
		return unlistedOptions(allowed)
	case "socket":
		return unlistedSockets(allowed)
	}
	return nil
}

func unlistedOptions(allowed []conditions) (out []conditions) {
	var options []uint32
	for _, c := range allowed {
		if len(c) != 1 || !isInt32(c[0], 0) {
			return nil // it is not the list that is made here
		}
		if c[0].ValueTwo < optionBound {
			options = append(options, uint32(c[0].ValueTwo))
		}
	}
	if len(allowed) == 0 {
		return nil // it is refused whole
	}
	for _, o := range below(optionBound, options) {
		out = append(out, conditions{bits32(0, o.mask, o.value)})
	}
	return out
}

// unlistedSockets is for the families that are allowed; the others have rules.
func unlistedSockets(allowed []conditions) (out []conditions) {
	families := map[uint32]map[uint32][]uint32{} // types, and protocols of each; nil when all are allowed
	for _, c := range allowed {
		if len(c) < 2 || len(c) > 3 || !isInt32(c[0], 0) || c[1].Index != 1 || c[1].Op != specs.OpMaskedEqual || c[1].Value != sockTypeMask || len(c) == 3 && !isInt32(c[2], 2) {
			return nil
		}
		family, kind := uint32(c[0].ValueTwo), uint32(c[1].ValueTwo)
		if families[family] == nil {
			families[family] = map[uint32][]uint32{}
		}
		protocols, known := families[family][kind]
		switch {
		case len(c) == 2:
			protocols = nil
		case !known || protocols != nil:
			protocols = append(protocols, uint32(c[2].ValueTwo))
		}
		families[family][kind] = protocols
	}
	for _, family := range slices.Sorted(maps.Keys(families)) {
		types := slices.Sorted(maps.Keys(families[family]))
		for _, t := range complement(types) {
			if t.mask&^sockTypeMask == 0 { // else it is a flag that makes it differ
				out = append(out, conditions{int32Is(0, family), bits32(1, t.mask, t.value)})
			}
		}
		for _, t := range types {
			if families[family][t] == nil {
				continue
			}
			for _, p := range below(protocolBound, families[family][t]) {
				out = append(out, conditions{int32Is(0, family), bits32(1, sockTypeMask, t), bits32(2, p.mask, p.value)})
			}
		}
	}
	return out
}

// isInt32 says whether a condition compares the whole of an int.
func isInt32(c specs.LinuxSeccompArg, index uint) bool {
	return c.Index == index && c.Op == specs.OpMaskedEqual && c.Value == 0xffffffff
}

// below gives cubes that together hold every value under bound, a power of two,
// but those of set.
func below(bound uint32, set []uint32) (out []cube) {
	for _, c := range complement(set) {
		if c.mask&^(bound-1) == 0 {
			out = append(out, cube{c.mask | ^(bound - 1), c.value})
		}
	}
	return out
}

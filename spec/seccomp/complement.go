package seccomp

import (
	"math/bits"
	"slices"
)

// cube is the set of all 32-bit values v with v&mask == value.
type cube struct {
	mask, value uint32
}

// complement gives cubes that together hold every 32-bit value but those of
// set. It lets a filter of allow rules say "anything but these": a filter
// cannot compare the low 32 bits for inequality.
func complement(set []uint32) []cube {
	all, any := ^uint32(0), uint32(0)
	for _, v := range set {
		all &= v
		any |= v
	}
	differ := any &^ all
	if len(set) == 0 {
		return []cube{{0, 0}}
	}
	var out []cube
	for bit := uint32(1); bit != 0; bit <<= 1 {
		if differ&bit == 0 { // all of set agree here, so any other value is outside
			out = append(out, cube{bit, ^set[0] & bit})
		}
	}
	return append(out, diverge(set, differ, cube{})...)
}

// diverge walks the bits of differ from the highest down and gives the places
// where a value leaves every member of set. at is the path walked so far.
func diverge(set []uint32, differ uint32, at cube) []cube {
	if differ == 0 {
		return nil
	}
	bit := uint32(1) << (bits.Len32(differ) - 1)
	var out []cube
	for _, value := range []uint32{0, bit} {
		next := cube{at.mask | bit, at.value | value}
		with := slices.DeleteFunc(slices.Clone(set), func(v uint32) bool { return v&bit != value })
		if len(with) == 0 {
			out = append(out, next)
			continue
		}
		out = append(out, diverge(with, differ&^bit, next)...)
	}
	return out
}

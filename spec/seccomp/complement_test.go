package seccomp

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestComplement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.Uint32(), rapid.Uint32Range(0x5400, 0x5430))
		set := rapid.SliceOfN(value, 0, 6).Draw(t, "set")
		cubes := complement(set)
		inside := func(v uint32) bool {
			return slices.ContainsFunc(cubes, func(c cube) bool { return v&c.mask == c.value })
		}
		for _, v := range set {
			if inside(v) {
				t.Fatalf("%#x is in the complement", v)
			}
			// The nearest values outside are those that differ in one bit.
			bit := rapid.IntRange(0, 31).Draw(t, "bit")
			if near := v ^ 1<<bit; inside(near) == slices.Contains(set, near) {
				t.Fatalf("%#x: wrong", near)
			}
		}
		if v := value.Draw(t, "v"); inside(v) == slices.Contains(set, v) {
			t.Fatalf("%#x: wrong", v)
		}
	})
}

// TestComplementIsSmall: each cube is a rule of the filter.
func TestComplementIsSmall(t *testing.T) {
	if n := len(complement([]uint32{0x5412, 0x541c})); n > 35 {
		t.Errorf("%d cubes for TIOCSTI and TIOCLINUX", n)
	}
}

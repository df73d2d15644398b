package seccomp

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestExpandAgain: what is remembered of a list is what the list comes to, whoever
// has changed what he got.
func TestExpandAgain(t *testing.T) {
	some := append(GroupNames(), "read", "write", "@none", "bpf")
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			names := rapid.SliceOfN(rapid.SampledFrom(some), 0, 3).Draw(t, "names")
			want := expand(names)
			got := Expand(names)
			if !slices.Equal(got, want) {
				t.Fatalf("%v: %v, not %v", names, got, want)
			}
			for i := range got {
				got[i] = "changed"
			}
			for i := range names {
				names[i] = "changed"
			}
		}
	})
}

package state

import (
	"math/bits"
	"testing"

	"pgregory.net/rapid"
)

// TestGap: what is found is free, and few are asked about.
func TestGap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.IntRange(1, 5000).Draw(t, "slots")
		taken := map[int]bool{}
		for n := range rapid.IntRange(0, slots).Draw(t, "first") {
			taken[n] = true
		}
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, slots-1), 0, 20).Draw(t, "others") {
			taken[n] = !taken[n]
		}
		asked := 0
		got := gap(slots, func(n int) bool { asked++; return taken[n] })
		if got < 0 || taken[got] {
			t.Fatalf("%d is taken", got)
		}
		if most := 2*bits.Len(uint(slots)) + 2; asked > most {
			t.Fatalf("asked about %d of %d slots, want at most %d", asked, slots, most)
		}
	})
}

// TestGapInOrder: who starts one after the other gets one after the other.
func TestGapInOrder(t *testing.T) {
	for n := range 1001 {
		if got := gap(1000, func(slot int) bool { return slot < n }); got != n {
			t.Errorf("with %d taken: slot %d", n, got)
		}
	}
}

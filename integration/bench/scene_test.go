package main

import (
	"errors"
	"testing"
	"time"
)

// TestMeasure: everybody runs as often, however long it takes; who fails is out with
// the reason, and the others go on.
func TestMeasure(t *testing.T) {
	value := func(seconds float64) func() (float64, error) {
		return func() (float64, error) { return seconds, nil }
	}
	runs := 0
	fails := func() (float64, error) {
		if runs++; runs > 3 {
			return 0, errors.New("first line\nsecond line")
		}
		return 1, nil
	}
	for name, tt := range map[string]struct {
		blocks bool
		most   time.Duration
		want   int
	}{
		"in turns":             {false, time.Hour, 9},
		"in turns, for long":   {false, 0, fewest},
		"in blocks":            {true, time.Hour, 9},
		"in blocks, too long":  {true, 0, fewest},
		"in turns, never ends": {false, -time.Hour, fewest},
	} {
		runs = 0
		s := scene{name: "x", blocks: tt.blocks, contestants: []contestant{
			{name: "a", value: value(1)}, {name: "b", value: fails}, {name: "c", value: value(3)}, {name: "d", without: "not there"},
		}}
		out := s.measure(t.Context(), options{rounds: 9, most: tt.most})
		for i, want := range []int{tt.want, 0, tt.want, 0} {
			if got := len(out.Contestants[i].Seconds); got != want {
				t.Errorf("%s: %s has run %d times, want %d", name, out.Contestants[i].Name, got, want)
			}
		}
		if got := out.Contestants[1].Without; got != "first line" {
			t.Errorf("%s: who failed is out because of %q", name, got)
		}
	}
}

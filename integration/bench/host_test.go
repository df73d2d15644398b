package main

import (
	"strings"
	"testing"
)

func TestHostDiffers(t *testing.T) {
	before := host{"/dev/null": "mode 666, owner 0:0", "/run/netns/a": "there"}
	for name, tt := range map[string]struct {
		after host
		words []string
	}{
		"the same":     {host{"/dev/null": "mode 666, owner 0:0", "/run/netns/a": "there"}, nil},
		"less":         {host{"/dev/null": "mode 666, owner 0:0"}, nil},
		"another mode": {host{"/dev/null": "mode 600, owner 0:0"}, []string{"/dev/null", "mode 600"}},
		"more":         {host{"/run/netns/b": "there"}, []string{"left behind: /run/netns/b"}},
	} {
		err := before.differs(tt.after)
		if (err == nil) != (tt.words == nil) {
			t.Errorf("%s: %v", name, err)
		}
		for _, word := range tt.words {
			if err != nil && !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v has no %q", name, err, word)
			}
		}
	}
}

func TestAvailable(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal: 8 kB\nMemAvailable:       5 kB\n": 5 << 10, "MemTotal: 8 kB\n": 0, "MemAvailable: x kB\n": 0, "": 0,
	} {
		if got := availableIn([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// TestTurn: in each round everybody has one turn, and the order changes.
func TestTurn(t *testing.T) {
	s := scene{contestants: make([]contestant, 3)}
	first := map[int]bool{}
	for round := range 3 {
		seen := map[int]bool{}
		for i := range 3 {
			n := s.turn(round*3+i, 5)
			if seen[n] {
				t.Errorf("round %d: %d has two turns", round, n)
			}
			if seen[n] = true; i == 0 {
				first[n] = true
			}
		}
	}
	if len(first) != 3 {
		t.Errorf("who begins: %v, want each once", first)
	}
	if s.blocks = true; s.turn(4, 5) != 0 || s.turn(5, 5) != 1 {
		t.Error("blocks do not follow one another")
	}
}

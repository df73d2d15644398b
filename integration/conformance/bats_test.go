package main

import (
	"maps"
	"testing"
)

func TestParseTAP(t *testing.T) {
	got := parseTAP("1..4\r\nok 1 runc -h\r\nnot ok 2 a # b\n# (in test file)\nok 3 later # skip test requires systemd\nrunc ok 9 nothing\n")
	want := results{"runc -h": passed, "a # b": failed, "later": skipped}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestList: every line of the list has a reason.
func TestList(t *testing.T) {
	listed, err := readList()
	if err != nil || len(listed) == 0 {
		t.Fatalf("%d tests, %v", len(listed), err)
	}
}

// TestOnlyShrinks: a test that is listed and passes is a mistake in the list, and
// one that runc alone passes is a mistake in safe-run-oci.
func TestOnlyShrinks(t *testing.T) {
	tests := []struct {
		name         string
		listed       bool
		theirs, ours outcome
		wrong        bool
	}{
		{"both pass", false, passed, passed, false},
		{"listed, fails", true, passed, failed, false},
		{"listed, passes", true, passed, passed, true},
		{"not listed, fails", false, passed, failed, true},
		{"not listed, skips what runc passes", false, passed, skipped, true},
		{"both fail here", false, failed, failed, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := test{"f", "x"}
			tally := &tally{listed: map[test]string{}, seen: map[test]bool{}}
			if tt.listed {
				tally.listed[at] = "why"
			}
			tally.add("f", results{"x": tt.theirs}, results{"x": tt.ours})
			if err := tally.end(); (err != nil) != tt.wrong {
				t.Errorf("got %v", err)
			}
		})
	}
}

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

// TestLists: every line of the lists has a reason.
func TestLists(t *testing.T) {
	for _, l := range []list{batsList, validationList} {
		if _, err := l.read(); err != nil {
			t.Error(err)
		}
	}
}

// TestOnlyShrinks: a test that is listed and passes is a mistake in the list, and
// one that runc alone passes is a mistake in safe-run-oci.
func TestOnlyShrinks(t *testing.T) {
	tests := []struct {
		name         string
		why          string // listed with it
		theirs, ours outcome
		wrong        bool
	}{
		{"both pass", "", passed, passed, false},
		{"listed, fails", "why", passed, failed, false},
		{"listed, passes", "why", passed, passed, true},
		{"not listed, fails", "", passed, failed, true},
		{"not listed, skips what runc passes", "", passed, skipped, true},
		{"listed for other machines, passes", "host: no hugetlb", passed, passed, false},
		{"both fail here", "", failed, failed, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := test{"f", "x"}
			tally := &tally{listed: map[test]string{}, seen: map[test]bool{}}
			if tt.why != "" {
				tally.listed[at] = tt.why
			}
			tally.add("f", results{"x": tt.theirs}, results{"x": tt.ours})
			if err := tally.end(); (err != nil) != tt.wrong {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestParseValidation(t *testing.T) {
	got := parseValidation("TAP version 13\nok 1 - has state /tmp/ocitest123/x\n# {\nok 2 - twice\nnot ok 3 - twice\nok 4 # SKIP no SELinux\nok 5 - c # SKIP later\n1..5\n")
	want := results{"has state */x": passed, "twice": passed, "twice (2)": failed, "(no name)": skipped, "c": skipped}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

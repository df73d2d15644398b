package verify

import (
	"strings"
	"testing"
	"unicode"
)

const goodLines = `{"info":{"kernel":"6.18"}}
{"id":"M01","verdict":"blocked","errno":"EPERM","marker":true,"detail":"mount","us":120}
{"id":"K01","verdict":"allowed","detail":"x","parts":[{"name":"init","verdict":"blocked","errno":"EPERM","detail":""}],"us":9}
{"end":{"probes":2}}
`

func TestRead(t *testing.T) {
	tests := []struct {
		name, in, want string
		lines          int
		ended          bool
	}{
		{name: "whole", in: goodLines, lines: 2, ended: true},
		{name: "cut short", in: strings.Join(strings.SplitAfter(goodLines, "\n")[:2], ""), lines: 1},
		{name: "no JSON", in: "hello\n", want: "line 1 is not"},
		{name: "no probe", in: `{"id":"../x","verdict":"blocked"}`, want: "is no probe"},
		{name: "no verdict", in: `{"id":"M01","verdict":"fine"}`, want: "is no verdict"},
		{name: "twice", in: `{"id":"M01","verdict":"blocked"}` + "\n" + `{"id":"M01","verdict":"blocked"}`, want: "was there before", lines: 1},
		{name: "wrong end", in: `{"end":{"probes":7}}`, want: "wrote of 0", ended: true},
		{name: "long", in: strings.Repeat("x", maxLine+1), want: "too long"},
		{name: "many", in: strings.Repeat("{\"info\":{}}\n", maxLines+1), want: "more than"},
		{name: "nested", in: `{"id":"M01","verdict":"blocked","parts":[{"verdict":"blocked","parts":[{"verdict":"blocked"}]}]}`, want: "too many parts"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := read(strings.NewReader(test.in), nil)
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
			if len(got.lines) != test.lines || got.ended != test.ended {
				t.Errorf("%d lines, ended %t; want %d, %t", len(got.lines), got.ended, test.lines, test.ended)
			}
		})
	}
}

// FuzzRead: whatever comes out of a container is bounded and safe to show.
func FuzzRead(f *testing.F) {
	f.Add(goodLines)
	f.Add("{\"id\":\"M01\",\"verdict\":\"blocked\",\"detail\":\"\\u001b[2J\"}\n")
	f.Fuzz(func(t *testing.T, in string) {
		got, _ := read(strings.NewReader(in), nil)
		if len(got.lines) > maxLines || len(got.facts) > maxFacts {
			t.Fatalf("%d lines, %d facts", len(got.lines), len(got.facts))
		}
		for _, line := range got.lines {
			if !isID(line.ID) {
				t.Errorf("%q is no probe", line.ID)
			}
			for _, text := range []string{line.Detail, line.Errno, line.Signal} {
				if len(text) > 5*maxDetail || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
					t.Errorf("%q would be shown", text)
				}
			}
		}
	})
}

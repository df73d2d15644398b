package main

import (
	_ "embed"
	"fmt"
	"strings"
)

// list is the tests that safe-run-oci does not pass, with the reasons.
type list struct{ name, text string }

//go:embed bats.txt
var batsText string

//go:embed validation.txt
var validationText string

var (
	batsList       = list{"integration/conformance/bats.txt", batsText}
	validationList = list{"integration/conformance/validation.txt", validationText}
)

// test is one test of a file; "*" is all of them.
type test struct{ file, name string }

func (t test) String() string { return t.file + ": " + t.name }

// read reads "file | test | reason", a line each.
func (l list) read() (map[test]string, error) {
	out := map[test]string{}
	for line := range strings.Lines(l.text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.SplitN(line, " | ", 3)
		if len(fields) != 3 || fields[2] == "" {
			return nil, fmt.Errorf("%s: %q is not \"file | test | reason\"", l.name, line)
		}
		out[test{fields[0], fields[1]}] = fields[2]
	}
	return out, nil
}

package main

import (
	_ "embed"
	"fmt"
	"strings"
)

const listName = "integration/conformance/bats.txt"

//go:embed bats.txt
var list string

// test is one test of a file; "*" is all of them.
type test struct{ file, name string }

func (t test) String() string { return t.file + ": " + t.name }

// readList reads "file | test | reason", a line each.
func readList() (map[test]string, error) {
	out := map[test]string{}
	for line := range strings.Lines(list) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.SplitN(line, " | ", 3)
		if len(fields) != 3 || fields[2] == "" {
			return nil, fmt.Errorf("%s: %q is not \"file | test | reason\"", listName, line)
		}
		out[test{fields[0], fields[1]}] = fields[2]
	}
	return out, nil
}

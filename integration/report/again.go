package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// command runs one test by itself and gives the output of go test -json, and
// whether it ended well.
type command func(at test) (output []byte, ended bool)

// commandOf is go test with its flags, as words.
func commandOf(words []string) command {
	return func(at test) ([]byte, bool) {
		args := append(slices.Clone(words[1:]), "-json", "-run", "^"+regexp.QuoteMeta(at.name)+"$", at.pkg)
		cmd := exec.Command(words[0], args...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		return out, err == nil
	}
}

// again runs each test that failed once more, if they are few and nothing else
// failed. Those that pass have failed once; when all do, the run has passed.
func (r *report) again(most int, run command) {
	if r.broken || len(r.tests) == 0 || len(r.tests) > most {
		return
	}
	passed := map[test]bool{}
	for _, at := range r.failedTests() {
		fmt.Fprintf(r.out, "\n=== AGAIN: %s\n", at)
		output, ended := run(at)
		one := newReport(r.out)
		_ = one.read(bytes.NewReader(output)) // bytes cannot fail
		one.missing()
		passed[at] = ended && one.events > 0 && len(one.failures) == 0 && one.passes(at, output)
	}
	left := r.failures[:0:0]
	for _, f := range r.failures {
		top, _, _ := strings.Cut(f.name, "/")
		if passed[test{f.pkg, top}] {
			r.once = append(r.once, f)
		} else {
			left = append(left, f)
		}
	}
	r.failures = left
}

// failedTests are the tests that failed, in an order that is always the same.
func (r *report) failedTests() []test {
	var all []test
	for at := range r.tests {
		all = append(all, at)
	}
	slices.SortFunc(all, func(a, b test) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// passes says whether the output has a test pass by its name: one that is skipped
// now, or not found, has not passed.
func (r *report) passes(at test, output []byte) bool {
	for line := range bytes.Lines(output) {
		if e, ok := parse(line); ok && e.Action == "pass" && e.Package == at.pkg && e.Test == at.name {
			return true
		}
	}
	return false
}

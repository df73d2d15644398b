package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// slow is the time from which a passed top-level test is mentioned, so that a
// long run shows that it goes on.
const slow = 2 * time.Second

// event is one line of go test -json (go doc test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Elapsed    float64
	Output     string
}

// test is a test's place.
type test struct{ pkg, name string }

// report is what has been seen so far.
type report struct {
	out      io.Writer
	output   map[test][]string // of packages, too, without a name
	closing  []string          // go test's own lines, "ok  ..." and "FAIL ..."
	skipped  []string
	notes    []string // what tests want to be read at the end
	failures []failure
	once     []failure // failed, and passed when they were run again
	open     map[string]bool
	tests    map[test]bool // top-level tests that failed
	events   int
	// broken says that something failed that is no test, so that nothing is run
	// again; blamed that a failure was seen since the last run's end.
	broken, blamed bool
}

// failure is something that failed, and the beginning of what it said.
type failure struct {
	test
	said string
}

func newReport(out io.Writer) *report {
	return &report{out: out, output: map[test][]string{}, open: map[string]bool{}, tests: map[test]bool{}}
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			r.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading go test's output: %w", err)
		}
	}
}

// parse reads a line of go test -json.
func parse(line []byte) (e event, ok bool) {
	return e, bytes.HasPrefix(line, []byte("{")) && json.Unmarshal(line, &e) == nil
}

// ended is what the Makefile says of a run that failed.
const ended = "go test ended with "

func (r *report) line(line string) {
	e, ok := parse([]byte(line))
	if !ok {
		fmt.Fprint(r.out, line) // a build's own words
		if strings.HasPrefix(line, ended) {
			if !r.blamed {
				r.breaks("go test", strings.TrimSpace(line)+", and names nothing that failed")
			}
			r.blamed = false
		}
		return
	}
	r.events++
	at := test{e.Package, e.Test}
	if e.Package != "" && e.Test == "" {
		r.open[e.Package] = e.Action != "pass" && e.Action != "fail" && e.Action != "skip"
	}
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "build-fail":
		r.breaks(e.ImportPath, "it does not build")
	case "output":
		r.keep(at, e)
	case "skip":
		r.skip(at)
	case "pass":
		if took := time.Duration(e.Elapsed * float64(time.Second)); took >= slow && e.Test != "" && !strings.Contains(e.Test, "/") {
			fmt.Fprintf(r.out, "passed %s (%.1fs)\n", at, e.Elapsed)
		}
		delete(r.output, at)
	case "fail":
		r.fail(at, e.Elapsed)
	}
}

// breaks notes a failure that is no test's.
func (r *report) breaks(what, said string) {
	r.broken, r.blamed = true, true
	r.failures = append(r.failures, failure{test{pkg: what}, said})
}

// worse are the lines of a test that ends its whole package.
var worse = regexp.MustCompile(`(?m)^(panic: |fatal error: |WARNING: DATA RACE|\*\*\* Test killed|exit status ([02-9]|1\d)|signal: )`)

// fail notes and prints a test or a package that failed.
func (r *report) fail(at test, took float64) {
	r.blamed = true
	own := r.own(at)
	if worse.MatchString(strings.Join(r.output[at], "")) {
		r.broken = true
	}
	delete(r.output, at)
	if at.name != "" {
		top, _, _ := strings.Cut(at.name, "/")
		r.tests[test{at.pkg, top}] = true
	} else if own != "" || !r.blames(at.pkg) {
		r.broken = true // it says something beside its tests, or no test of it failed
		if own == "" {
			own = "it failed, and none of its tests did\n"
		}
	}
	// A test whose subtests failed, and a package whose tests did, have nothing to
	// say themselves.
	if own == "" && (at.name == "" || r.blames(at.String()+"/")) {
		return
	}
	fmt.Fprintf(r.out, "--- FAIL: %s (%.1fs)\n%s", at, took, own)
	r.failures = append(r.failures, failure{at, beginning(own)})
}

// blames says whether a failure is known that explains another: of a package, that
// of its build or its tests; of a test, that of a subtest.
func (r *report) blames(what string) bool {
	return slices.ContainsFunc(r.failures, func(f failure) bool {
		return strings.HasPrefix(f.String(), what) && (strings.HasSuffix(what, "/") || f.pkg == what || strings.HasPrefix(f.pkg, what+" "))
	})
}

// missing notes the packages whose end never came.
func (r *report) missing() {
	for _, pkg := range slices.Sorted(maps.Keys(r.open)) {
		if r.open[pkg] {
			r.breaks(pkg, "it has begun, and its end never came")
		}
	}
}

func (t test) String() string {
	if t.name == "" {
		return t.pkg
	}
	return t.pkg + " " + t.name
}

// shortFailure is how much of a failure is said twice.
const shortFailure = 600

// beginning is the first lines of what a test said, in one line.
func beginning(own string) string {
	words := strings.Join(strings.Fields(own), " ")
	if len(words) > shortFailure {
		words = strings.ToValidUTF8(words[:shortFailure], "") + " ..."
	}
	return words
}

// closingLine matches go test's line for a whole package.
var closingLine = regexp.MustCompile(`^(ok  \t|FAIL\t|\?   \t|---? *\t)`)

// note is how a test says something that is to be read at the end of a run that
// went well, too.
var note = regexp.MustCompile(`^\s*\S+\.go:\d+: (NOTE: .*)`)

func (r *report) keep(at test, e event) {
	if said := note.FindStringSubmatch(e.Output); said != nil && !slices.Contains(r.notes, said[1]) {
		r.notes = append(r.notes, said[1])
	}
	if e.Test == "" && closingLine.MatchString(e.Output) {
		if !strings.Contains(e.Output, "[no test files]") {
			r.closing = append(r.closing, e.Output)
		}
		return
	}
	r.output[at] = append(r.output[at], e.Output)
}

// chatter are the lines of go test that a test did not write itself.
var chatter = regexp.MustCompile(`^\s*(=== |--- |PASS$|FAIL$|exit status )`)

// own is what a test or package wrote itself.
func (r *report) own(at test) string {
	var own strings.Builder
	for _, line := range r.output[at] {
		if !chatter.MatchString(strings.TrimRight(line, "\n")) {
			own.WriteString(line)
		}
	}
	return own.String()
}

func (r *report) skip(at test) {
	if at.name == "" {
		return // a package without tests
	}
	r.skipped = append(r.skipped, at.String()+": "+strings.Join(strings.Fields(r.own(at)), " "))
	delete(r.output, at)
}

// finish prints the summary and says whether everything passed.
func (r *report) finish() bool {
	if r.events == 0 {
		fmt.Fprintln(r.out, "report: no events of go test -json came in, so nothing was tested")
		return false
	}
	if len(r.skipped) > 0 {
		fmt.Fprintf(r.out, "\nNOT CHECKED on this machine (%d):\n", len(r.skipped))
		for _, line := range r.skipped {
			fmt.Fprintln(r.out, "  "+line)
		}
	} else {
		fmt.Fprintln(r.out, "\neverything that there is was checked: no test was skipped")
	}
	for _, line := range r.notes {
		fmt.Fprintln(r.out, line)
	}
	fmt.Fprintln(r.out)
	for _, line := range r.closing {
		fmt.Fprint(r.out, line)
	}
	r.list("FAILED ONCE, and passed when run again", r.once)
	r.list("FAILED", r.failures)
	return len(r.failures) == 0
}

func (r *report) list(head string, failures []failure) {
	if len(failures) == 0 {
		return
	}
	fmt.Fprintf(r.out, "\n%s (%d):\n", head, len(failures))
	for _, f := range failures {
		fmt.Fprintf(r.out, "  %s: %s\n", f.test, f.said)
	}
}

// Command report reads the output of go test -json and prints what a person
// needs: what failed, in full; what took long; what was not checked and why;
// go test's own closing line of each package; and last, because the end of a log
// is what is read first, what failed once more in short.
//
//	go test -json ./... | go run ./integration/report
//
// Several runs may come one after the other in one stream.
//
// A skipped test counts as "not checked" and is always named: silence would
// look like success. The exit code is 1 when anything failed, or when the input
// is not the output of go test -json.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
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

// report is what has been seen so far.
type report struct {
	out      io.Writer
	output   map[string][]string // by package and test
	closing  []string            // go test's own lines, "ok  ..." and "FAIL ..."
	skipped  []string
	failures []string // name and the beginning of what it said
	events   int
	failed   bool
}

func main() {
	r := &report{out: os.Stdout, output: map[string][]string{}}
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
	if !r.finish() {
		os.Exit(1)
	}
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

func (r *report) line(line string) {
	var e event
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &e) != nil {
		fmt.Fprint(r.out, line) // a build's own words
		return
	}
	r.events++
	name := e.Package
	if e.Test != "" {
		name += " " + e.Test
	}
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "build-fail":
		r.failed = true
	case "output":
		r.keep(name, e)
	case "skip":
		r.skip(name, e)
	case "pass":
		if took := time.Duration(e.Elapsed * float64(time.Second)); took >= slow && e.Test != "" && !strings.Contains(e.Test, "/") {
			fmt.Fprintf(r.out, "passed %s (%.1fs)\n", name, e.Elapsed)
		}
		delete(r.output, name)
	case "fail":
		r.failed = true
		// A test whose subtests failed, and a package whose tests did, have
		// nothing to say themselves.
		if own := r.own(name); own != "" {
			fmt.Fprintf(r.out, "--- failed: %s (%.1fs)\n%s", name, e.Elapsed, own)
			r.failures = append(r.failures, name+": "+beginning(own))
		}
		delete(r.output, name)
	}
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

func (r *report) keep(name string, e event) {
	if e.Test == "" && closingLine.MatchString(e.Output) {
		if !strings.Contains(e.Output, "[no test files]") {
			r.closing = append(r.closing, e.Output)
		}
		return
	}
	r.output[name] = append(r.output[name], e.Output)
}

// chatter are the lines of go test that a test did not write itself.
var chatter = regexp.MustCompile(`^\s*(=== |--- |PASS$|FAIL$|exit status )`)

// own is what a test or package wrote itself.
func (r *report) own(name string) string {
	var own strings.Builder
	for _, line := range r.output[name] {
		if !chatter.MatchString(strings.TrimRight(line, "\n")) {
			own.WriteString(line)
		}
	}
	return own.String()
}

func (r *report) skip(name string, e event) {
	if e.Test == "" {
		return // a package without tests
	}
	r.skipped = append(r.skipped, name+": "+strings.Join(strings.Fields(r.own(name)), " "))
	delete(r.output, name)
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
	fmt.Fprintln(r.out)
	for _, line := range r.closing {
		fmt.Fprint(r.out, line)
	}
	if len(r.failures) > 0 {
		fmt.Fprintf(r.out, "\nFAILED (%d):\n", len(r.failures))
		for _, line := range r.failures {
			fmt.Fprintln(r.out, "  "+line)
		}
	}
	return !r.failed
}

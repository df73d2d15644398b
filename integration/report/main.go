// Command report reads the output of go test -json and prints what a person
// needs: what failed, in full and at once; what took long; what was not checked
// and why; go test's own closing line of each package; and last, because the end
// of a log is what is read first, what failed once more in short.
//
//	{ go test -json ./... || echo "go test ended with $?"; } | go run ./integration/report
//
// Several runs may come one after the other in one stream, each followed by such
// a line when it failed: one that ends badly and names no failure is one itself.
//
// A skipped test counts as "not checked" and is always named: silence would
// look like success. The exit code is 1 when anything failed, when a package has
// begun and not ended, or when the input is not the output of go test -json.
//
//	... | go run ./integration/report -again 2 -- go test -count=1
//
// runs a test that failed once more by itself when the stream has ended, with
// the command given, if no more than 2 did. When all of them pass then, the run
// has passed, and FAILED ONCE says what they said before. A machine that others
// use is late at times; what is broken fails again. A package that fails beside
// its tests (it does not build, panics, takes too long, leaves something) has
// failed, and so have its tests.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	most := flag.Int("again", 0, "run failed tests again, if there are no more than `N`; the command follows --")
	flag.Parse()
	r := newReport(os.Stdout)
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
	r.missing()
	if *most > 0 && flag.NArg() > 0 {
		r.again(*most, commandOf(flag.Args()))
	}
	if !r.finish() {
		os.Exit(1)
	}
}

// Command conformance runs the tests that runc has of its own command line, from
// runc's module, against safe-run-oci and against runc built from the same
// module, and prints both counts.
//
//	go run ./integration/conformance bin/safe-run-oci [file.bats ...]
//
// A test that runc passes and safe-run-oci does not fails the run, unless it is
// in bats.txt with a reason. One that is there and passes fails it too: the list
// can only shrink.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./integration/conformance PATH/safe-run-oci [file.bats ...]")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program string, files []string) error {
	listed, err := readList()
	if err != nil {
		return err
	}
	s, err := prepare(ctx)
	if err != nil {
		return err
	}
	runtimes := []string{s.runc}
	if program, err = filepath.Abs(program); err != nil {
		return err
	}
	runtimes = append(runtimes, program)
	if len(files) == 0 {
		if files, err = s.files(); err != nil {
			return err
		}
	}
	t := &tally{listed: listed, seen: map[test]bool{}}
	fmt.Printf("%-32s %24s %24s\n%-32s %24s %24s\n", "", "runc", "safe-run-oci", "", "pass fail skip", "pass fail skip")
	for _, file := range files {
		if why, all := listed[test{file, "*"}]; all {
			fmt.Printf("%-32s not run: %s\n", file, why)
			continue
		}
		var results []results
		for _, runtime := range runtimes {
			r, err := s.bats(ctx, runtime, file)
			if err != nil {
				return fmt.Errorf("%s with %s: %w", file, runtime, err)
			}
			results = append(results, r)
		}
		if n := t.surprises(file, results[0], results[1]); n > 0 {
			// A helper of a test that is late on a busy machine looks like a fault.
			fmt.Printf("  %d differences with runc: once more\n", n)
			if results[1], err = s.bats(ctx, program, file); err != nil {
				return fmt.Errorf("%s with %s: %w", file, program, err)
			}
		}
		t.add(file, results[0], results[1])
	}
	return t.end()
}

// tally compares as results come.
type tally struct {
	listed map[test]string
	seen   map[test]bool
	counts [2]count
	wrong  []string
}

type count struct{ pass, fail, skip int }

func (c count) String() string { return fmt.Sprintf("%14d %4d %4d", c.pass, c.fail, c.skip) }

func (c *count) add(o outcome) {
	switch o {
	case passed:
		c.pass++
	case skipped:
		c.skip++
	default:
		c.fail++
	}
}

// surprises counts the tests that runc alone passes, and that are not listed.
func (t *tally) surprises(file string, theirs, ours results) int {
	n := 0
	for name, their := range theirs {
		if _, listed := t.listed[test{file, name}]; !listed && their == passed && ours[name] != passed {
			n++
		}
	}
	return n
}

func (t *tally) add(file string, theirs, ours results) {
	var row [2]count
	for name, their := range theirs {
		our := ours[name] // what did not run failed
		row[0].add(their)
		row[1].add(our)
		at := test{file, name}
		t.seen[at] = true
		why, listed := t.listed[at]
		switch {
		case listed && our == passed:
			t.wrong = append(t.wrong, fmt.Sprintf("%s passes: take it out of %s", at, listName))
		case !listed && their == passed && our != passed:
			t.wrong = append(t.wrong, fmt.Sprintf("%s: runc passes, safe-run-oci does not", at))
		case listed:
			fmt.Printf("  listed: %s: %s\n", name, why)
		case their == failed && our == failed:
			fmt.Printf("  fails here with both: %s\n", name)
		}
	}
	for i := range row {
		t.counts[i].pass += row[i].pass
		t.counts[i].fail += row[i].fail
		t.counts[i].skip += row[i].skip
	}
	fmt.Printf("%-32s %24s %24s\n", file, row[0], row[1])
}

func (t *tally) end() error {
	fmt.Printf("%-32s %24s %24s\n", "all", t.counts[0], t.counts[1])
	if len(t.wrong) == 0 {
		return nil
	}
	slices.Sort(t.wrong)
	for _, line := range t.wrong {
		fmt.Println(line)
	}
	return fmt.Errorf("%d differences that are not in %s", len(t.wrong), listName)
}

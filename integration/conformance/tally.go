package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// tally compares as results come.
type tally struct {
	list   list
	listed map[test]string
	seen   map[test]bool
	counts [2]count
	wrong  []string
}

func newTally(l list) (*tally, error) {
	listed, err := l.read()
	return &tally{list: l, listed: listed, seen: map[test]bool{}}, err
}

func (t *tally) begin(what string) {
	fmt.Printf("%-32s %24s %24s\n%-32s %24s %24s\n", what, "runc", "safe-run-oci", "", "pass fail skip", "pass fail skip")
}

// ofHost begins the reason of a test that cannot apply on some machines, and
// passes on others.
const ofHost = "host: "

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
	for _, name := range slices.Sorted(maps.Keys(theirs)) {
		their, our := theirs[name], ours[name] // what did not run failed
		row[0].add(their)
		row[1].add(our)
		at := test{file, name}
		t.seen[at] = true
		why, listed := t.listed[at]
		switch {
		case listed && our == passed && !strings.HasPrefix(why, ofHost):
			t.wrong = append(t.wrong, fmt.Sprintf("%s passes: take it out of %s", at, t.list.name))
		case !listed && their == passed && our != passed:
			t.wrong = append(t.wrong, fmt.Sprintf("%s: runc passes, safe-run-oci does not", at))
		case listed && our != passed:
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
	return fmt.Errorf("%d differences that are not in %s", len(t.wrong), t.list.name)
}

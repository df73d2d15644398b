package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// report is what one machine said. Its lines are
//
//	ok NAME
//	FAIL NAME
//	not checked NAME
//	| a line about the one before
//	end
//
// with a time in front of each name.
type report struct {
	name     string
	console  string
	checks   []check
	complete bool   // it came to the end
	broken   string // why it did not
	took     time.Duration
}

// check is one line of the table.
type check struct {
	verdict, name string
	about         []string
}

// The verdicts.
const (
	verdictOK      = "ok"
	verdictFail    = "FAIL"
	verdictMissing = "not checked"
)

func (r *report) read(text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if about, is := strings.CutPrefix(line, "| "); is && len(r.checks) > 0 {
			last := &r.checks[len(r.checks)-1]
			last.about = append(last.about, about)
			continue
		}
		r.complete = r.complete || line == "end"
		for _, verdict := range []string{verdictOK, verdictFail, verdictMissing} {
			if name, is := strings.CutPrefix(line, verdict+" "); is {
				r.checks = append(r.checks, check{verdict: verdict, name: name})
			}
		}
	}
}

// print writes the table and says whether all is well.
func (r *report) print(out io.Writer) bool {
	count := map[string]int{}
	fmt.Fprintf(out, "\n%s\n", r.name)
	for _, c := range r.checks {
		count[c.verdict]++
		fmt.Fprintf(out, "  %-60s %s\n", c.name, c.verdict)
		for _, line := range c.about {
			fmt.Fprintf(out, "      %s\n", line)
		}
	}
	if r.broken != "" {
		fmt.Fprintf(out, "  the machine itself failed: %s\n", r.broken)
	}
	fmt.Fprintf(out, "%s: %d ok, %d failed, %d NOT CHECKED, in %s\n", r.name,
		count[verdictOK], count[verdictFail], count[verdictMissing], r.took.Round(time.Second))
	return r.broken == "" && count[verdictFail] == 0 && count[verdictOK] > 0
}

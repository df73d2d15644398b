package result

import (
	"fmt"
	"io"
)

// Cost is what one process of a launch takes, counted and not timed. What was not
// looked at is 0.
type Cost struct {
	Of      string `json:"of"`
	Process string `json:"process"`
	Calls   int    `json:"systemCalls,omitempty"`
	Peak    int64  `json:"peak,omitempty"` // bytes
}

func (c *Cost) text() (calls, peak string) {
	if c.Calls > 0 {
		calls = fmt.Sprint(c.Calls, " calls")
	}
	if c.Peak > 0 {
		peak = fmt.Sprintf("%.1f MiB", float64(c.Peak)/(1<<20))
	}
	return calls, peak
}

// TableOfCosts writes them for people.
func (r *Run) TableOfCosts(w io.Writer) {
	if len(r.Costs) == 0 {
		return
	}
	fmt.Fprint(w, "\nsystem calls and peak memory, process by process\n")
	for _, c := range r.Costs {
		calls, peak := c.text()
		fmt.Fprintf(w, "  %-24s %-50s %12s %10s\n", c.Of, c.Process, calls, peak)
	}
}

func (r *Run) markdownOfCosts(w io.Writer) {
	if len(r.Costs) == 0 {
		return
	}
	fmt.Fprint(w, "\n## System calls and peak memory, process by process\n\nThe processes of one launch of `true`, counted by strace(1). A process has several names in turn: who is executed by a descriptor has its number, and libcontainer's init goes from runc:[0:PARENT] to the program.\n\n| | process | system calls | peak memory |\n|---|---|---|---|\n")
	for _, c := range r.Costs {
		calls, peak := c.text()
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", c.Of, c.Process, calls, peak)
	}
}

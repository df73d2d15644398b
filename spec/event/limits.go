package event

import (
	"fmt"
	"time"
)

// Limits are what a control group counted of what its limits refused: how often,
// and not when or to whom.
type Limits struct {
	OOMKills, PidsDenied uint64
	// Memory and Pids are more than the limits were, as a profile has them, for who
	// wants to give more; empty and 0: there was none.
	Memory string
	Pids   int64
}

// Denials are those counts as denials.
func (l Limits) Denials(now time.Time) (out []Denial) {
	if l.OOMKills > 0 {
		d := Denial{
			Control: Memory, Errno: "SIGKILL", Count: l.OOMKills, First: now, Last: now, Severity: Medium,
			Meaning: "processes were killed because the container's memory was used up",
			Instead: "it has no limit of its own: the host is out of memory",
		}
		if l.Memory != "" {
			d.Allow, d.Instead = []string{"resources:", "  memory: " + l.Memory}, ""
		}
		out = append(out, d)
	}
	if l.PidsDenied > 0 {
		d := Denial{
			Control: Pids, Syscall: "clone", Errno: "EAGAIN", Count: l.PidsDenied, First: now, Last: now, Severity: Medium,
			Meaning: "new processes and threads were refused because there were too many",
			Instead: "it has no limit of its own: a control group above it has",
		}
		if l.Pids > 0 {
			d.Allow, d.Instead = []string{"resources:", fmt.Sprintf("  pids: %d", l.Pids)}, ""
		}
		out = append(out, d)
	}
	return out
}

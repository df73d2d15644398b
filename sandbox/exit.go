package sandbox

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/event"
)

// Cause is why a sandbox ended.
type Cause string

// The causes.
const (
	CauseExited  Cause = "exited"  // the program ended by itself
	CauseOOM     Cause = "oom"     // out of the memory limit
	CauseSeccomp Cause = "seccomp" // killed for a system call of a foreign architecture
	CauseSignal  Cause = "signal"  // killed by a signal
	// CauseViolation: killed because it tried what the profile says to kill for.
	CauseViolation Cause = "violation"
)

// Exit is how a sandbox ended.
type Exit struct {
	// Code is what a shell would see: the program's own, or 128 + signal.
	Code   int            `json:"code"`
	Signal syscall.Signal `json:"signal,omitempty"`
	Cause  Cause          `json:"cause"`
	// Requested says that the signal was sent through this launcher.
	Requested bool `json:"requested,omitempty"`
	// MemoryPeak in bytes; 0 when the kernel does not say.
	MemoryPeak uint64 `json:"memoryPeak,omitempty"`
	OOMKills   uint64 `json:"oomKills,omitempty"`
	// PidsDenied counts forks that the pids limit refused.
	PidsDenied uint64      `json:"pidsDenied,omitempty"`
	Limits     spec.Limits `json:"limits"`
	// Denials is what it was refused; Traced is false where nobody could count.
	Denials []event.Denial `json:"denials,omitempty"`
	Traced  bool           `json:"traced"`
	// Untraced says why what the kernel refuses was not counted, when that was
	// asked for.
	Untraced error `json:"-"`
	// Violation is what it was killed for.
	Violation *event.Denial `json:"violation,omitempty"`
	// OutputLost says why not all that the container wrote was passed on, for
	// example because a disk is full.
	OutputLost error `json:"-"`
}

// newExit puts together what the kernel said.
func newExit(status syscall.WaitStatus, usage runc.Usage, limits spec.Limits) Exit {
	e := Exit{
		Code:       status.ExitStatus(),
		Cause:      CauseExited,
		MemoryPeak: usage.MemoryPeak,
		OOMKills:   usage.OOMKills,
		PidsDenied: usage.PidsDenied,
		Limits:     limits,
	}
	if status.Signaled() {
		e.Signal = status.Signal()
		e.Code = 128 + int(e.Signal)
		e.Cause = CauseSignal
	}
	switch {
	case e.OOMKills > 0 && e.Code == 128+int(syscall.SIGKILL):
		e.Cause = CauseOOM
	case e.Code == 128+int(syscall.SIGSYS):
		e.Cause = CauseSeccomp
	}
	return e
}

// limitDenials is what the limits refused, as denials: the kernel counts them,
// and does not say when or to whom.
func (e Exit) limitDenials(now time.Time) []event.Denial {
	l := event.Limits{OOMKills: e.OOMKills, PidsDenied: e.PidsDenied, Pids: 2 * e.Limits.Pids}
	if e.Limits.MemoryBytes > 0 {
		l.Memory = strings.ReplaceAll(size(2*uint64(e.Limits.MemoryBytes)), " ", "")
	}
	return l.Denials(now)
}

// attribute gives an end by signal to the one that was sent through this
// launcher, when it was that one; instead says that it was sent as SIGKILL.
func (e *Exit) attribute(asked syscall.Signal, instead bool) {
	if e.Cause != CauseSignal || asked == 0 {
		return
	}
	if e.Signal == asked || (instead && e.Signal == syscall.SIGKILL) {
		e.Requested, e.Signal, e.Code = true, asked, 128+int(asked)
	}
}

// Explain says in one line what a user cannot see from the code: which limit
// or control ended the program. It is empty when the program ended by itself
// and no limit was touched.
func (e Exit) Explain() (line, hint string) {
	switch e.Cause {
	case CauseOOM:
		return fmt.Sprintf("killed: out of memory (limit %s, peak %s)", size(uint64(e.Limits.MemoryBytes)), size(e.MemoryPeak)),
			"raise the limit with --memory, or resources.memory in a profile"
	case CauseViolation:
		return fmt.Sprintf("killed: it called %s, and the profile kills for that (seccomp.onViolation.%s)", e.Violation.Syscall, e.Violation.Severity),
			"find out what called it; to allow the call or to go on without it, change seccomp in the profile"
	case CauseSeccomp:
		return "killed by seccomp: a system call of a foreign architecture, or one whose action is to kill",
			"run `safe-run explain` to see the system calls that the profile allows"
	case CauseSignal:
		if e.Requested {
			return "", "" // whoever sent it knows
		}
		return fmt.Sprintf("killed by signal %d (%s)", int(e.Signal), e.Signal), ""
	}
	if e.PidsDenied > 0 && e.Code != 0 {
		return fmt.Sprintf("exited with %d after the pids limit (%d) refused %d new processes or threads", e.Code, e.Limits.Pids, e.PidsDenied),
			"raise the limit with --pids-limit, or resources.pids in a profile"
	}
	if e.OOMKills > 0 && e.Code != 0 {
		return fmt.Sprintf("exited with %d after %d processes were killed for memory (limit %s)", e.Code, e.OOMKills, size(uint64(e.Limits.MemoryBytes))),
			"raise the limit with --memory, or resources.memory in a profile"
	}
	return "", ""
}

// size writes bytes in the largest binary unit that keeps it readable.
func size(n uint64) string {
	const mib = 1 << 20
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= mib:
		return fmt.Sprintf("%d MiB", (n+mib/2)/mib)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

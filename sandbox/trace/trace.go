// Package trace learns of what a sandbox refuses, without making it refuse
// less: it answers for the filter (seccomp_unotify(2)), and when it is gone the
// kernel still denies.
package trace

import (
	"cmp"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/safe-run/safe-run/spec/event"
)

// maxKinds bounds how many different denials are told apart; what comes after
// them is counted by its system call alone.
const maxKinds = 256

// Teller says what a call is: what it is to be answered with, and the denial
// that it makes, without process, count and times.
type Teller interface {
	Answer(number int, args [6]uint64) (errno uint)
	Denial(number int, args [6]uint64) event.Denial
}

// kind is what denials are counted by.
type kind struct{ what, process string }

// Tally counts denials.
type Tally struct {
	teller Teller
	// Before is told of each call while it waits for its answer, and says that it
	// needs none, because the process has been killed. It may be nil.
	Before func(event.Denial) (killed bool)
	// GivenUp is told of a call that was interrupted before its answer. It may be
	// nil, and must not block.
	GivenUp func(event.Denial)
	// New is told of each denial the first time, and More that one came again;
	// they may be nil, and must not block.
	New  func(event.Denial)
	More func(event.Denial)

	mu    sync.Mutex
	kinds map[kind]*event.Denial
}

// NewTally counts what teller tells.
func NewTally(teller Teller) *Tally {
	return &Tally{teller: teller, kinds: map[kind]*event.Denial{}}
}

// count counts one call that was answered.
func (t *Tally) count(d event.Denial, who process) {
	t.mu.Lock()
	now := time.Now().UTC()
	at := kind{d.Syscall + "\x00" + strings.Join(d.Arguments, "\x00"), who.name}
	if _, known := t.kinds[at]; !known && len(t.kinds) >= maxKinds {
		// By its severity, too: a grave one does not hide behind a light one.
		at = kind{what: d.Syscall + "\x00" + string(d.Severity)}
		d.Arguments, who = nil, process{}
	}
	known, ok := t.kinds[at]
	if !ok {
		d.Process, d.Pid, d.Tid, d.First = who.name, who.pid, who.tid, now
		known = &d
		t.kinds[at] = known
	}
	known.Count++
	known.Last = now
	first := *known
	t.mu.Unlock()
	switch {
	case !ok && t.New != nil:
		t.New(first)
	case ok && t.More != nil:
		t.More(first)
	}
}

// Denials gives what was counted, the gravest and then the first ones first.
func (t *Tally) Denials() []event.Denial {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]event.Denial, 0, len(t.kinds))
	for _, d := range t.kinds {
		out = append(out, *d)
	}
	slices.SortFunc(out, func(a, b event.Denial) int {
		return cmp.Or(-cmp.Compare(a.Severity.Rank(), b.Severity.Rank()), a.First.Compare(b.First), cmp.Compare(a.Syscall, b.Syscall))
	})
	return out
}

// process is who made a call.
type process struct {
	name     string
	pid, tid int
}

// identify looks up a thread. It is stopped in its call, so that its number
// cannot be another's, unless it has been killed meanwhile; then the answer
// fails and nothing is counted.
func identify(tid int) process {
	p := process{tid: tid, pid: tid}
	dir := procDir(tid)
	name, _ := os.ReadFile(dir + "comm")
	p.name = strings.TrimSuffix(string(name), "\n")
	status, _ := os.ReadFile(dir + "status")
	if pid, ok := threadGroup(status); ok {
		p.pid = pid
	}
	return p
}

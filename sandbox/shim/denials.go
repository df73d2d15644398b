package shim

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/log"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/trace"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// denials are what a container's filter refuses, told the first time at once,
// again when there were ten times as many, and in all at the end.
type denials struct {
	notices  *notices
	roused   func() // something is to be done: memory is given back after it
	dir      func() string // of the pods' files
	who      subject
	more     string // to add to hints
	tally    *trace.Tally
	listener *trace.Listener
	place    *os.File // the directory of the listener's socket

	mu    sync.Mutex
	told  map[string]uint64
	timer *time.Timer // until it is told of what is new; nil when nothing is
	due   time.Time
	last  time.Time // of the last telling
	lines int
	over  bool

	closed sync.Once
}

// When what is new is told.
const (
	newAfter  = 50 * time.Millisecond
	pause     = time.Second // between two tellings
	moreAfter = 30 * time.Second
	tenfold   = 10
)

// maxLines is how many notices of one container are written before the rest is
// counted only: it must not push those of others out of the file.
const maxLines = 300

// listen makes the filter of a container report what it refuses. It gives the
// spec itself where there is no filter of ours, or where something else listens;
// nothing is refused less for that.
func (s *Service) listen(t *task, who subject, dir func() string, oci *specs.Spec) (*specs.Spec, error) {
	filter := oci.Linux.Seccomp
	if who.Pod == who.ID {
		return oci, nil // the pause container, whose program waits
	}
	reacts := len(t.met.Reactions) > 0
	if filter == nil || taken(filter) || !reacts && seccomp.Allows(filter, "seccomp") {
		if reacts {
			return nil, problem.New("take seccomp.onViolation out of the profile, or leave the filter to it",
				"nothing can follow a violation in this container: its filter does not report, or reports to somebody else")
		}
		return oci, nil
	}
	if !trace.Available() {
		if reacts {
			return nil, problem.New("take seccomp.onViolation out of the profile, or run it on Linux 5.9 and below no other filter",
				"nothing can follow a violation here: filters cannot report")
		}
		return oci, nil
	}
	notified, answers := seccomp.Notified(filter)
	d := &denials{
		notices: s.notices, roused: s.work, dir: dir, who: who, tally: trace.NewTally(answers), told: map[string]uint64{},
	}
	d.tally.New = func(event.Denial) { d.soon(newAfter) }
	d.tally.More = func(event.Denial) { d.soon(moreAfter) }
	if reacts {
		t.react(d.tally)
	}
	if err := d.bind(stateOf(t.bundle)); err != nil {
		return nil, err
	}
	notified.ListenerPath = d.path()
	t.denials = d
	with, linux := *oci, *oci.Linux
	linux.Seccomp = notified
	with.Linux = &linux
	return &with, nil
}

// taken says that a filter reports to somebody already, or cannot be made to:
// whoever loads it writes just after (seccomp_unotify(2)).
func taken(filter *specs.LinuxSeccomp) bool {
	if filter.ListenerPath != "" || !seccomp.Allows(filter, "write") {
		return true
	}
	for _, rule := range filter.Syscalls {
		if rule.Action == specs.ActNotify {
			return true
		}
	}
	return false
}

// bind listens in a directory that only root may enter. The path of a bundle is
// longer than that of a socket may be (unix(7)), so that its directory is held and
// named by its descriptor, by libcontainer too, which connects from this process.
func (d *denials) bind(dir string) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if d.place, err = os.Open(dir); err != nil {
		return err
	}
	if d.listener, err = trace.Listen(d.path(), d.tally); err != nil {
		d.place.Close()
	}
	return err
}

func (d *denials) path() string { return fmt.Sprintf("/proc/self/fd/%d/denials.sock", d.place.Fd()) }

// soon tells what is new a moment later, once for all that comes until then.
func (d *denials) soon(after time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	due := now.Add(after)
	if soonest := d.last.Add(pause); due.Before(soonest) {
		due = soonest
	}
	if d.over || d.timer != nil && !due.Before(d.due) {
		return
	}
	if d.timer != nil {
		d.timer.Stop()
	}
	d.due = due
	d.timer = time.AfterFunc(due.Sub(now), func() { d.flush(false) })
}

// flush tells what is new; in the end, all that was not told yet.
func (d *denials) flush(end bool) {
	d.roused()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return
	}
	d.timer, d.last, d.over = nil, time.Now(), end
	var list []notice
	left := 0
	for _, denial := range d.tally.Denials() {
		key := keyOf(denial)
		was := d.told[key]
		if was == denial.Count || was > 0 && !end && denial.Count < tenfold*was {
			continue
		}
		if d.lines >= maxLines {
			left++
			continue
		}
		d.lines++
		d.told[key] = denial.Count
		list = append(list, d.who.denied(denial, d.more))
	}
	if end && left > 0 {
		one := notice{What: noticeDenied, subject: d.who, Message: fmt.Sprintf("%d kinds of denials more, or more of them, than are told of", left)}
		list = append(list, one)
	}
	d.notices.add(d.dir, list...)
}

// keyOf tells kinds of denials apart.
func keyOf(d event.Denial) string {
	return strings.Join(append([]string{d.Control, d.Syscall, d.Process, string(d.Severity), d.Meaning, d.Call()}, d.Arguments...), "\x00")
}

// end tells of the rest and listens no more. It may be called more than once, and
// returns when all is told.
func (d *denials) end() {
	if d == nil {
		return
	}
	d.listener.Settle()
	d.flush(true)
	d.closed.Do(func() {
		if err := d.listener.Close(); err != nil {
			log.L.WithError(err).Warn("the listener of a filter")
		}
		d.place.Close()
	})
}

// react does what the profile wants of a violation. A kill comes while the call
// waits for its answer; a freeze just after it, because pausing interrupts a call
// that waits. What cannot be frozen is killed. Before the program has begun it is
// our own init that calls.
func (t *task) react(tally *trace.Tally) {
	tally.Before = func(d event.Denial) (killed bool) { return t.met.Reactions[d.Severity] == "kill" && t.violated() }
	freeze := func(d event.Denial) {
		if t.met.Reactions[d.Severity] == "freeze" {
			go t.freeze()
		}
	}
	tally.GivenUp = freeze
	first, again := tally.New, tally.More
	tally.New = func(d event.Denial) { freeze(d); first(d) }
	tally.More = func(d event.Denial) { freeze(d); again(d) }
}

func (t *task) begun() bool { return !t.init.is(tasktypes.Status_CREATED) }

func (t *task) violated() (killed bool) {
	return t.begun() && t.container.SignalFirst(t.init.started, unix.SIGKILL) == nil
}

func (t *task) freeze() {
	if !t.begun() || t.status(t.init) == tasktypes.Status_PAUSED {
		return
	}
	if t.pause(true) != nil && t.status(t.init) != tasktypes.Status_PAUSED {
		t.violated()
	}
}

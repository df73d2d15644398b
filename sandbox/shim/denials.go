package shim

import (
	"fmt"
	"os"
	"sync"

	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/log"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/trace"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// denials are what a container's filter refuses.
type denials struct {
	*counted
	tally    *trace.Tally
	listener *trace.Listener
	place    *os.File // the directory of the listener's socket
	closed   sync.Once
}

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
	tally := trace.NewTally(answers)
	d := &denials{counted: s.count(who, dir, tally.Denials), tally: tally}
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

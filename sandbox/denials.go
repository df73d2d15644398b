package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/trace"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/problem"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// The files of a running sandbox's denials: where its filters report, and what
// was counted.
const (
	denialsSocket = "denials.sock"
	// DenialsFile is also what the ledger keeps.
	DenialsFile = "denials.json"
)

// mostDenials bounds DenialsFile.
const mostDenials = 4 << 20

// denials is what one sandbox is refused.
type denials struct {
	tally    *trace.Tally
	tell     *telling
	answers  seccomp.Answers
	listener *trace.Listener
	file     string
	kernel   *trace.Kernel // nil where it is not asked
	refused  kernelDenials

	mu     sync.Mutex  // held while the file is written
	soon   *time.Timer // writes the file; nil when nothing is to be written
	closed bool        // the file's directory is about to go
}

// savedAfter is how long the file may lag behind.
const savedAfter = 500 * time.Millisecond

// listen makes the filter of oci report what it refuses, in every run. It gives
// oci itself where there is no filter, where the program may want to listen to
// one of its own and nobody asks, or where the kernel has no such reports;
// nothing is refused less for that.
func (c *Cmd) listen(oci *specs.Spec) (*specs.Spec, error) {
	reacts := len(c.Plan.Reactions) > 0
	// Asked before this process has a filter of its own, which the next start of a
	// supervisor would take for somebody else's.
	available := trace.Available()
	if oci.Linux.Seccomp == nil {
		return oci, nil
	}
	// A program that may load filters may want to listen to one itself, and there
	// is one listener for all filters of a process.
	if !reacts && c.OnDenial == nil && seccomp.Allows(oci.Linux.Seccomp, "seccomp") {
		return oci, nil
	}
	if !available {
		if reacts {
			return nil, problem.New("take seccomp.onViolation out of the profile, or run it on Linux 5.9 and below no other filter",
				"nothing can follow a violation here: filters cannot report")
		}
		return oci, nil
	}
	filter, answers := seccomp.Notified(oci.Linux.Seccomp)
	d := &denials{tally: trace.NewTally(answers), answers: answers, file: filepath.Join(c.Lease.store.Dir(c.Lease.ID), DenialsFile)}
	d.tell = newTelling(c.OnDenial)
	if reacts {
		d.tally.Before, d.tally.GivenUp = c.kills, c.freezes
	}
	d.tally.New = func(denial event.Denial) {
		c.freezes(denial)
		d.saveSoon()
		d.tell.add(denial)
	}
	d.tally.More = func(denial event.Denial) {
		c.freezes(denial)
		d.saveSoon()
	}
	filter.ListenerPath = filepath.Join(c.Lease.store.Dir(c.Lease.ID), denialsSocket)
	var err error
	if d.listener, err = trace.Listen(filter.ListenerPath, d.tally); err != nil {
		return nil, err
	}
	c.denials = d
	with, linux := *oci, *oci.Linux
	linux.Seccomp = filter
	with.Linux = &linux
	return &with, nil
}

// kills ends the container, when the plan wants that of such a denial, while the
// call waits for its answer: nothing of the program runs any more.
func (c *Cmd) kills(denial event.Denial) (killed bool) {
	return c.Plan.Reactions[denial.Severity] == "kill" && c.end(denial)
}

func (c *Cmd) end(denial event.Denial) (killed bool) {
	container := c.reacts.Load()
	if container == nil {
		return false // the program has not begun: it is our own init
	}
	c.violation.CompareAndSwap(nil, &denial)
	return container.Signal(unix.SIGKILL) == nil
}

// freezes pauses the container, when the plan wants that of such a denial, just
// after the answer: pausing interrupts a call that waits for one, and the kernel
// would make it again for ever. What cannot be paused is killed.
func (c *Cmd) freezes(denial event.Denial) {
	container := c.reacts.Load()
	if container == nil || c.Plan.Reactions[denial.Severity] != "freeze" {
		return
	}
	switch err := container.Freeze(); {
	case err == nil:
		go c.tellFrozen(denial)
	case !c.paused(): // by another process's call, a moment ago
		c.end(denial)
	}
}

// paused says whether the container is paused; false when that is not known.
func (c *Cmd) paused() bool {
	live, err := OpenLive(c.Lease.store.Root, c.Lease.ID)
	if err != nil {
		return false
	}
	defer live.Close()
	paused, err := live.Paused()
	return err == nil && paused
}

// tellFrozen tells the ledger and the user that the container is paused. It may
// be so before the ledger has it running.
func (c *Cmd) tellFrozen(denial event.Denial) {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		live, err := OpenLive(c.Lease.store.Root, c.Lease.ID)
		if err != nil {
			continue
		}
		paused, err := live.Paused()
		over := err != nil || !paused // somebody let it go on, or ended it
		told := !over && live.tellPaused()
		live.Close()
		if told && c.OnFreeze != nil {
			c.OnFreeze(denial)
		}
		if over || told {
			return
		}
	}
}

// Denials gives what the sandbox was refused so far; traced is false where
// nobody could count.
func (c *Cmd) Denials() (list []event.Denial, traced bool) {
	if c.denials == nil {
		return nil, false
	}
	c.denials.listener.Settle()
	defer c.denials.tell.settle()
	return append(c.denials.tally.Denials(), c.readKernel()...), true
}

func (d *denials) close() error {
	d.mu.Lock()
	d.closed = true
	if d.soon != nil {
		d.soon.Stop()
	}
	d.mu.Unlock()
	d.closeKernel()
	err := d.listener.Close()
	d.tell.close()
	return err
}

// saveSoon writes the file a moment later, once for all that comes until then.
func (d *denials) saveSoon() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.soon == nil && !d.closed {
		d.soon = time.AfterFunc(savedAfter, d.save)
	}
}

func (d *denials) save() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.soon = nil
	if d.closed {
		return
	}
	// What cannot be written is still told at the end.
	_ = SaveDenials(d.file, d.tally.Denials())
}

// SaveDenials writes denials to a file, whole or not at all.
func SaveDenials(path string, list []event.Denial) error {
	data, err := json.Marshal(list)
	if err != nil {
		return err
	}
	part := path + ".part"
	if err := os.WriteFile(part, data, 0o600); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return os.Rename(part, path)
}

// LoadDenials reads what SaveDenials wrote; none when there is no file.
func LoadDenials(path string) ([]event.Denial, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []event.Denial
	if err := json.NewDecoder(io.LimitReader(f, mostDenials)).Decode(&list); err != nil {
		return nil, problem.New("start the container again: they are counted anew", "what it was refused cannot be read: %w", err)
	}
	return list, nil
}

// Denials gives what a running sandbox was refused so far: by its filter up to a
// moment ago, by its limits and by the network up to now.
func (l *Live) Denials() ([]event.Denial, error) {
	list, err := LoadDenials(filepath.Join(l.store.Dir(l.record.ID), DenialsFile))
	if err != nil {
		return nil, err
	}
	last, err := counted(l.record.ID, l.Plan, l.inside.Usage())
	list = append(list, last...)
	gravestFirst(list)
	return list, err
}

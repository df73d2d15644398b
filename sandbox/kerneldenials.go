package sandbox

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safe-run/safe-run/sandbox/trace"
	"github.com/safe-run/safe-run/spec/event"
	"github.com/safe-run/safe-run/spec/seccomp"
)

// kernelDenials are what the kernel refused so far.
type kernelDenials struct {
	mu   sync.Mutex
	seen map[trace.Refused]event.Denial // without their counts
	over chan struct{}
	done sync.WaitGroup
	why  error
}

// lookEvery is how often the kernel's counters are read while they are told of.
const lookEvery = 200 * time.Millisecond

// watchKernel begins to count what the kernel refuses, when that is asked for.
// Where it cannot, the exit says why.
func (c *Cmd) watchKernel() {
	d := c.denials
	if !c.Kernel || d == nil {
		return
	}
	if d.kernel, d.refused.why = trace.WatchKernel(c.container.Unified()); d.kernel == nil {
		return
	}
	d.refused.over = make(chan struct{})
	d.refused.done.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.readKernel()
			case <-d.refused.over:
				return
			}
		}
	})
}

// untraced says why what the kernel refuses was not counted, when that was
// asked for; nil when it was.
func (c *Cmd) untraced() error {
	if c.denials == nil {
		return nil
	}
	return c.denials.refused.why
}

// readKernel reads the counters, and tells of what is new. What the filter
// refuses is counted there.
func (c *Cmd) readKernel() (list []event.Denial) {
	d := c.denials
	if d.kernel == nil {
		return nil
	}
	d.refused.mu.Lock()
	defer d.refused.mu.Unlock()
	all, lost, err := d.kernel.Read()
	if err != nil {
		return nil
	}
	now := time.Now().UTC()
	for _, r := range all {
		if d.answers.Refuses(r.Number, uint(r.Errno)) {
			continue
		}
		count := r.Count
		r.Count = 0
		known, seen := d.refused.seen[r]
		if !seen {
			// The end of a signal handler looks like the end of a call without a
			// number, with the result of the one that was interrupted.
			name := seccomp.NameOf(runtime.GOARCH, r.Number)
			if name == "" {
				continue
			}
			known = c.Plan.Refused(name, unix.ErrnoName(r.Errno), r.Path)
			known.Process, known.First = r.Process, now
		}
		if known.Count != count {
			known.Count, known.Last = count, now
		}
		if d.refused.seen == nil {
			d.refused.seen = map[trace.Refused]event.Denial{}
		}
		d.refused.seen[r] = known
		list = append(list, known)
		if !seen {
			d.tell.add(known)
		}
	}
	if lost > 0 {
		list = append(list, event.Denial{
			Control: event.Kernel, Count: lost, First: now, Last: now, Severity: event.Low,
			Meaning: "more kinds of them than can be told apart", Instead: "run less of it at a time",
		})
	}
	return list
}

func (d *denials) closeKernel() {
	if d.kernel == nil {
		return
	}
	close(d.refused.over)
	d.refused.done.Wait()
	d.kernel.Close()
}

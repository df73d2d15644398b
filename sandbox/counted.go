package sandbox

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/safe-run/safe-run/sandbox/network"
	"github.com/safe-run/safe-run/sandbox/runc"
	"github.com/safe-run/safe-run/spec"
	"github.com/safe-run/safe-run/spec/event"
)

// counted are the denials that the kernel counts by itself, whether anybody
// watches or not: those of the limits and of the network.
func counted(id string, plan *spec.Plan, usage runc.Usage) ([]event.Denial, error) {
	limits := Exit{OOMKills: usage.OOMKills, PidsDenied: usage.PidsDenied, Limits: plan.Limits}
	out := limits.limitDenials(time.Now().UTC())
	if plan.Network.Mode == spec.NetworkNone || plan.Network.Unfiltered {
		return out, nil
	}
	blocked, err := network.Blocked(id)
	for _, b := range blocked {
		out = append(out, b.Denial())
	}
	return out, err
}

// watching tells of what the kernel counts while the sandbox runs, for one who
// wants to know at once.
type watching struct {
	mu   sync.Mutex
	seen map[string]bool
	over chan struct{}
	done sync.WaitGroup
}

// watchEvery is how often those counters are looked at, when somebody wants that.
const watchEvery = 500 * time.Millisecond

// watchCounted begins to look.
func (c *Cmd) watchCounted() {
	if c.OnDenial == nil {
		return
	}
	w := &watching{seen: map[string]bool{}, over: make(chan struct{})}
	c.watching = w
	w.done.Go(func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				list, _ := counted(c.Lease.ID, c.Plan, c.container.Usage()) // the end tells what could not be read
				c.tellCounted(list)
			case <-w.over:
				return
			}
		}
	})
}

// tellCounted tells of those that are new.
func (c *Cmd) tellCounted(list []event.Denial) {
	w := c.watching
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range list {
		kind := d.Control + "\x00" + d.Protocol + "\x00" + d.Address + "\x00" + strconv.Itoa(int(d.Port)) + "\x00" + d.Meaning
		if w.seen[kind] {
			continue
		}
		w.seen[kind] = true
		if c.denials != nil {
			c.denials.tell.add(d)
			continue
		}
		c.OnDenial(d)
	}
}

// lastCounted reads the counters at the end, and stops looking at them. What could
// be read is given with the error.
func (c *Cmd) lastCounted(usage runc.Usage) ([]event.Denial, error) {
	c.unwatch()
	list, err := counted(c.Lease.ID, c.Plan, usage)
	c.tellCounted(list)
	if c.denials != nil {
		c.denials.tell.settle()
	}
	return list, err
}

// unwatch stops looking; it may be called more than once.
func (c *Cmd) unwatch() {
	if c.watching == nil || c.watching.over == nil {
		return
	}
	close(c.watching.over)
	c.watching.done.Wait()
	c.watching.over = nil
}

// gravestFirst sorts denials, and leaves those that are as grave as each other in
// their order.
func gravestFirst(list []event.Denial) {
	slices.SortStableFunc(list, func(a, b event.Denial) int { return b.Severity.Rank() - a.Severity.Rank() })
}
